//! The fixed words of authentication templates, which the business does not write itself.

/// Words of a language.
pub(super) struct Words {
    /// With the code as its variable.
    pub(super) code: &'static str,
    /// Follows the code where it is wanted.
    pub(super) recommendation: &'static str,
    /// Around the minutes.
    pub(super) expires: [&'static str; 2],
    /// On the button.
    pub(super) copy: &'static str,
}

const ENGLISH: Words = Words {
    code: "{{1}} is your verification code.",
    recommendation: " For your security, do not share this code.",
    expires: ["This code expires in ", " minutes."],
    copy: "Copy code",
};

const OTHERS: [(&str, Words); 5] = [
    (
        "de",
        Words {
            code: "{{1}} ist dein Verifizierungscode.",
            recommendation: " Teile diesen Code zu deiner Sicherheit mit niemandem.",
            expires: ["Dieser Code läuft in ", " Minuten ab."],
            copy: "Code kopieren",
        },
    ),
    (
        "es",
        Words {
            code: "Tu código de verificación es {{1}}.",
            recommendation: " Por tu seguridad, no lo compartas.",
            expires: ["Este código caduca en ", " minutos."],
            copy: "Copiar código",
        },
    ),
    (
        "fr",
        Words {
            code: "Votre code de vérification est {{1}}.",
            recommendation: " Pour votre sécurité, ne le partagez pas.",
            expires: ["Ce code expire dans ", " minutes."],
            copy: "Copier le code",
        },
    ),
    (
        "it",
        Words {
            code: "Il tuo codice di verifica è {{1}}.",
            recommendation: " Per la tua sicurezza, non condividerlo.",
            expires: ["Questo codice scade tra ", " minuti."],
            copy: "Copia codice",
        },
    ),
    (
        "pt",
        Words {
            code: "Seu código de verificação é {{1}}.",
            recommendation: " Para sua segurança, não o compartilhe.",
            expires: ["Este código expira em ", " minutos."],
            copy: "Copiar código",
        },
    ),
];

/// Those of a language code, English where there are none.
pub(super) fn of(language: &str) -> &'static Words {
    let primary = language.split(['_', '-']).next().unwrap_or_default();
    OTHERS
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(primary))
        .map_or(&ENGLISH, |(_, words)| words)
}
