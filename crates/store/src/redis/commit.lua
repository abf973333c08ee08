-- Applies one guarded batch, whole or not at all.
--
-- KEYS: the fence's lane (when fenced), the absent keys, one key per operation.
-- ARGV: 1 ttl cap in ms, 2 epoch ('' when not fenced), 3 seq, 4 number of absent keys, 5 tag of the mark ('' when there is none), 6 ttl of
--       the mark, then the operations:
--         P ttl value | D | A ttl value | R id | S ttl member due | U member
-- Returns {0, entry id...} applied, {1} already applied, {2, index} an absent key exists, {3, epoch} stale, {4, epoch, seq} gap.
--
-- A value starts with one byte: \0 plain, or \1 and the 16 bytes of the tag of the batch that wrote it as its mark.
-- Every outcome that a caller may act on writes something, because WAIT waits for the last write of its connection only.
local call = redis.call
local argv = ARGV
local keys = KEYS

local cap = tonumber(argv[1])
if not cap or not (cap >= 1) then
  return redis.error_reply('WAXSEAL no ttl cap was given')
end
if cap > 2592000000 then
  cap = 2592000000
end

local count = #argv
local at = 7
while at <= count do
  local op = argv[at]
  if op == 'P' or op == 'A' or op == 'S' then
    local text = argv[at + 1]
    local ttl = text and string.find(text, '^%d+$') and tonumber(text)
    if not ttl or ttl < 1 or ttl > cap then
      return redis.error_reply('WAXSEAL an operation has no ttl or one above the cap')
    end
    at = at + (op == 'S' and 4 or 3)
  elseif op == 'D' then
    at = at + 1
  elseif op == 'R' or op == 'U' then
    at = at + 2
  else
    return redis.error_reply('WAXSEAL unknown operation')
  end
end

local function prolong(key, ttl)
  -- GT takes a key without expiry for one that lives for ever, so a new key needs the second look.
  if call('PEXPIRE', key, ttl, 'GT') == 0 and call('PTTL', key) < 0 then
    call('PEXPIRE', key, ttl)
  end
end

local function touch(key)
  local left = call('PTTL', key)
  if left > 0 then
    call('PEXPIRE', key, left)
  end
end

local k = 1
local fenced = argv[2] ~= ''
if fenced then
  k = 2
  local stored = call('HMGET', keys[1], 'e', 's')
  local stored_epoch, stored_seq = tonumber(stored[1]), tonumber(stored[2])
  local epoch, seq = tonumber(argv[2]), tonumber(argv[3])
  if not stored_epoch or not stored_seq then
    return {4, '0', '0'}
  end
  if stored_epoch > epoch then
    return {3, stored[1]}
  end
  if stored_epoch < epoch or stored_seq + 1 < seq then
    return {4, stored[1], stored[2]}
  end
  if seq <= stored_seq then
    call('PEXPIRE', keys[1], cap)
    return {1}
  end
end

local absent = tonumber(argv[4])
for index = 1, absent do
  local key = keys[k]
  if call('EXISTS', key) == 1 then
    if index == 1 and argv[5] ~= '' and call('GETRANGE', key, 0, 16) == '\1' .. argv[5] then
      call('PEXPIRE', key, argv[6])
      return {1}
    end
    touch(key)
    return {2, index - 1}
  end
  k = k + 1
end

local reply = {0}
local oldest
at = 7
while at <= count do
  local op = argv[at]
  local key = keys[k]
  k = k + 1
  if op == 'P' then
    call('SET', key, argv[at + 2], 'PX', argv[at + 1])
    at = at + 3
  elseif op == 'D' then
    call('UNLINK', key)
    at = at + 1
  elseif op == 'A' then
    if not oldest then
      local now = call('TIME')
      oldest = string.format('%.0f', math.max(0, now[1] * 1000 + math.floor(now[2] / 1000) - cap))
    end
    -- The name of an entry's only field is its ttl: with the time in its id, every entry carries its own expiry.
    reply[#reply + 1] = call('XADD', key, 'MINID', '=', oldest, '*', argv[at + 1], argv[at + 2])
    prolong(key, argv[at + 1])
    at = at + 3
  elseif op == 'R' then
    if call('XDEL', key, argv[at + 1]) == 1 and call('XLEN', key) == 0 then
      -- Not deleted at once: it remembers the last id, so that none is given twice in one millisecond or after the clock stepped back.
      call('PEXPIRE', key, 60000, 'LT')
    end
    at = at + 2
  elseif op == 'S' then
    call('ZADD', key, argv[at + 3], argv[at + 2])
    prolong(key, argv[at + 1])
    at = at + 4
  else
    call('ZREM', key, argv[at + 1])
    at = at + 2
  end
end

if fenced then
  call('HSET', keys[1], 's', argv[3])
  if call('PTTL', keys[1]) < cap * 0.99 then
    call('PEXPIRE', keys[1], cap)
  end
end
return reply
