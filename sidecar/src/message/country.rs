//! Country calling codes.
//!
//! Purpose: the ISO 3166 country that a business-scoped user id starts with, and whether digits can be a full international number at all.
//! Pure. Numbers under a code that several countries share count for the largest of them where their area codes are not listed here.

/// The ISO 3166-1 alpha-2 code of the country whose calling code the digits start with; `ZZ` for codes that belong to no country (satellite,
/// shared cost); `None` for digits that start with no assigned code.
#[must_use]
pub fn of(digits: &str) -> Option<&'static str> {
    if let Some(rest) = digits.strip_prefix('1') {
        return Some(north_america(rest));
    }
    if let Some(rest) = digits.strip_prefix('7') {
        return Some(if rest.starts_with(['6', '7']) { "KZ" } else { "RU" });
    }
    // Calling codes are prefix-free: at most one of the two lengths can match.
    [2, 3].into_iter().find_map(|length| by_code(digits.get(..length)?))
}

/// The calling code that the digits start with.
#[must_use]
pub fn calling_code(digits: &str) -> Option<&str> {
    if digits.starts_with(['1', '7']) {
        return digits.get(..1);
    }
    [2, 3]
        .into_iter()
        .filter_map(|length| digits.get(..length))
        .find(|code| by_code(code).is_some())
}

fn north_america(rest: &str) -> &'static str {
    let Some(area) = rest.get(..3) else { return "US" };
    match area {
        "204" | "226" | "236" | "249" | "250" | "257" | "263" | "289" | "306" | "343" | "354" | "365" | "367" | "368" | "382" | "403"
        | "416" | "418" | "428" | "431" | "437" | "438" | "450" | "460" | "468" | "474" | "506" | "514" | "519" | "548" | "579" | "581"
        | "584" | "587" | "604" | "613" | "639" | "647" | "672" | "683" | "705" | "709" | "742" | "753" | "778" | "780" | "782" | "807"
        | "819" | "825" | "867" | "873" | "879" | "902" | "905" | "942" => "CA",
        "242" => "BS",
        "246" => "BB",
        "264" => "AI",
        "268" => "AG",
        "284" => "VG",
        "340" => "VI",
        "345" => "KY",
        "441" => "BM",
        "473" => "GD",
        "649" => "TC",
        "658" | "876" => "JM",
        "664" => "MS",
        "670" => "MP",
        "671" => "GU",
        "684" => "AS",
        "721" => "SX",
        "758" => "LC",
        "767" => "DM",
        "784" => "VC",
        "787" | "939" => "PR",
        "809" | "829" | "849" => "DO",
        "868" => "TT",
        "869" => "KN",
        _ => "US",
    }
}

#[rustfmt::skip]
fn by_code(code: &str) -> Option<&'static str> {
    Some(match code {
        "20" => "EG", "27" => "ZA", "30" => "GR", "31" => "NL", "32" => "BE", "33" => "FR", "34" => "ES", "36" => "HU", "39" => "IT",
        "40" => "RO", "41" => "CH", "43" => "AT", "44" => "GB", "45" => "DK", "46" => "SE", "47" => "NO", "48" => "PL", "49" => "DE",
        "51" => "PE", "52" => "MX", "53" => "CU", "54" => "AR", "55" => "BR", "56" => "CL", "57" => "CO", "58" => "VE",
        "60" => "MY", "61" => "AU", "62" => "ID", "63" => "PH", "64" => "NZ", "65" => "SG", "66" => "TH",
        "81" => "JP", "82" => "KR", "84" => "VN", "86" => "CN", "90" => "TR", "91" => "IN", "92" => "PK", "93" => "AF", "94" => "LK",
        "95" => "MM", "98" => "IR",
        "211" => "SS", "212" => "MA", "213" => "DZ", "216" => "TN", "218" => "LY",
        "220" => "GM", "221" => "SN", "222" => "MR", "223" => "ML", "224" => "GN", "225" => "CI", "226" => "BF", "227" => "NE",
        "228" => "TG", "229" => "BJ", "230" => "MU", "231" => "LR", "232" => "SL", "233" => "GH", "234" => "NG", "235" => "TD",
        "236" => "CF", "237" => "CM", "238" => "CV", "239" => "ST", "240" => "GQ", "241" => "GA", "242" => "CG", "243" => "CD",
        "244" => "AO", "245" => "GW", "246" => "IO", "247" => "SH", "248" => "SC", "249" => "SD", "250" => "RW", "251" => "ET",
        "252" => "SO", "253" => "DJ", "254" => "KE", "255" => "TZ", "256" => "UG", "257" => "BI", "258" => "MZ", "260" => "ZM",
        "261" => "MG", "262" => "RE", "263" => "ZW", "264" => "NA", "265" => "MW", "266" => "LS", "267" => "BW", "268" => "SZ",
        "269" => "KM", "290" => "SH", "291" => "ER", "297" => "AW", "298" => "FO", "299" => "GL",
        "350" => "GI", "351" => "PT", "352" => "LU", "353" => "IE", "354" => "IS", "355" => "AL", "356" => "MT", "357" => "CY",
        "358" => "FI", "359" => "BG", "370" => "LT", "371" => "LV", "372" => "EE", "373" => "MD", "374" => "AM", "375" => "BY",
        "376" => "AD", "377" => "MC", "378" => "SM", "379" => "VA", "380" => "UA", "381" => "RS", "382" => "ME", "383" => "XK",
        "385" => "HR", "386" => "SI", "387" => "BA", "389" => "MK", "420" => "CZ", "421" => "SK", "423" => "LI",
        "500" => "FK", "501" => "BZ", "502" => "GT", "503" => "SV", "504" => "HN", "505" => "NI", "506" => "CR", "507" => "PA",
        "508" => "PM", "509" => "HT", "590" => "GP", "591" => "BO", "592" => "GY", "593" => "EC", "594" => "GF", "595" => "PY",
        "596" => "MQ", "597" => "SR", "598" => "UY", "599" => "CW",
        "670" => "TL", "672" => "NF", "673" => "BN", "674" => "NR", "675" => "PG", "676" => "TO", "677" => "SB", "678" => "VU",
        "679" => "FJ", "680" => "PW", "681" => "WF", "682" => "CK", "683" => "NU", "685" => "WS", "686" => "KI", "687" => "NC",
        "688" => "TV", "689" => "PF", "690" => "TK", "691" => "FM", "692" => "MH",
        "850" => "KP", "852" => "HK", "853" => "MO", "855" => "KH", "856" => "LA", "880" => "BD", "886" => "TW",
        "960" => "MV", "961" => "LB", "962" => "JO", "963" => "SY", "964" => "IQ", "965" => "KW", "966" => "SA", "967" => "YE",
        "968" => "OM", "970" => "PS", "971" => "AE", "972" => "IL", "973" => "BH", "974" => "QA", "975" => "BT", "976" => "MN",
        "977" => "NP", "992" => "TJ", "993" => "TM", "994" => "AZ", "995" => "GE", "996" => "KG", "998" => "UZ",
        "800" | "808" | "870" | "878" | "881" | "882" | "883" | "888" | "979" => "ZZ",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn countries_by_calling_code() {
        for (digits, country) in [
            ("15550100", "US"),
            ("14165550100", "CA"),
            ("18095550100", "DO"),
            ("491701234567", "DE"),
            ("5511987654321", "BR"),
            ("77011234567", "KZ"),
            ("79161234567", "RU"),
            ("35312345678", "IE"),
            ("881612345678", "ZZ"),
        ] {
            assert_eq!(of(digits), Some(country), "{digits}");
        }
        for digits in ["", "0", "21", "999123456", "2101234567"] {
            assert_eq!(of(digits), None, "{digits}");
        }
    }

    #[test]
    fn codes_are_prefix_free() {
        for two in 20..100 {
            for last in 0..10 {
                let (two, three) = (format!("{two}"), format!("{two}{last}"));
                assert!(by_code(&two).is_none() || by_code(&three).is_none(), "{two} and {three}");
            }
        }
    }
}
