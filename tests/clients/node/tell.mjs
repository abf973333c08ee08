// What all drivers in JavaScript share: the facts they are told, and how they tell what they saw.

// Not through a stream that the end of the process could cut off.
import { writeSync } from "node:fs";

export const FACTS = JSON.parse(process.env.WAXSEAL_FACTS);

export function tell(check, ok = true, more = {}) {
    writeSync(1, JSON.stringify({ check, ok, ...more }) + "\n");
}

/** Does something, and tells whether it worked and whether `expect` holds of what came of it. */
export async function check(name, action, expect = () => true) {
    try {
        const result = await action();
        const ok = !result?.error && !!expect(result);
        tell(name, ok, ok ? {} : { why: JSON.stringify(result)?.slice(0, 2000) });
        return ok ? result : undefined;
    } catch (error) {
        tell(name, false, { why: `${error} ${error?.cause ?? ""}`.slice(0, 2000) });
        return undefined;
    }
}

/** Does something that has to be refused with a code, be it answered or thrown. */
export async function refused(name, code, action) {
    let result;
    try {
        result = await action();
    } catch (error) {
        result = error?.error ? error : { error };
    }
    const told = result?.error?.code;
    tell(name, told === code, { why: `${result?.error} ${JSON.stringify(result)}`.slice(0, 2000) });
}
