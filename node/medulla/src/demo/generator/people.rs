//! Invented people: names, birth dates and addresses from small lists of our own. Nobody here
//! exists.

use super::random::Random;

const FAMILY: &[&str] = &[
    "Abara",
    "Ashdown",
    "Bellweather",
    "Bianchi",
    "Calloway",
    "Castellan",
    "Dunmore",
    "Eriksen",
    "Fairbairn",
    "Fontaine",
    "Garrick",
    "Greenhalgh",
    "Hallworth",
    "Haruno",
    "Ingleby",
    "Jankowska",
    "Kestrel",
    "Kowal",
    "Lindqvist",
    "Lockhart",
    "Marchetti",
    "Mbeki-Rowe",
    "Nakagawa",
    "Northcott",
    "Oakhurst",
    "O'Rowan",
    "Pemberley",
    "Petrakis",
    "Quillfeather",
    "Rasmussen",
    "Redfern",
    "Santoro",
    "Silverthorn",
    "Tanaka-Bell",
    "Thackeray",
    "Underhill",
    "Vance",
    "Verhoeven",
    "Wexcombe",
    "Whitlock",
    "Yardley",
    "Zielinska",
];
const GIVEN_FEMALE: &[&str] = &[
    "Adaeze", "Beatrix", "Clara", "Delphine", "Edith", "Freya", "Greta", "Hana", "Imogen",
    "Jolanta", "Katarina", "Lucia", "Maren", "Nadia", "Odette", "Priya", "Rosalind", "Saskia",
    "Tamsin", "Yuki",
];
const GIVEN_MALE: &[&str] = &[
    "Alasdair", "Bruno", "Cedric", "Dmitri", "Emeka", "Fergus", "Gideon", "Henrik", "Ivo",
    "Jasper", "Kofi", "Leopold", "Magnus", "Niall", "Osamu", "Piotr", "Rafael", "Stellan",
    "Tobias", "Wilfred",
];
const STREETS: &[&str] = &[
    "Mill Lane",
    "Station Road",
    "Harbour Street",
    "Orchard Way",
    "Castle Hill",
    "Ropewalk",
    "Chapel Row",
    "Meadow Close",
    "Lantern Court",
    "Quarry Bank",
];

/// A person with a record number at Northgate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Person {
    /// The medical record number.
    pub(crate) record: String,
    pub(crate) family: &'static str,
    pub(crate) given: &'static str,
    /// `YYYYMMDD`.
    pub(crate) born: String,
    /// `F` or `M`.
    pub(crate) sex: &'static str,
    pub(crate) address: String,
    pub(crate) phone: String,
    /// Whose messages these are to be kept in order with: a duplicate record shares the number of
    /// the person.
    pub(crate) line: usize,
}

impl Person {
    /// The person of a number.
    pub(crate) fn new(random: &mut Random, number: usize) -> Self {
        let is_female = random.chance(510);
        let (year, month) = (random.between(1_929, 2_006), random.between(1, 12));
        let day = random.between(1, 28);
        Self {
            record: format!("N{:06}", number + 1),
            family: random.pick(FAMILY),
            given: random.pick(if is_female { GIVEN_FEMALE } else { GIVEN_MALE }),
            born: format!("{year}{month:02}{day:02}"),
            sex: if is_female { "F" } else { "M" },
            address: format!("{} {}", random.between(1, 240), random.pick(STREETS)),
            phone: format!("555-01{:02}", random.below(100)),
            line: number,
        }
    }

    /// The same person registered again by mistake, under another record number.
    pub(crate) fn duplicate(&self) -> Self {
        let record = self.record.replacen("N0", "N9", 1);
        Self { record, ..self.clone() }
    }

    /// The key of the patient actor, which is also the id of the FHIR resource.
    pub(crate) fn key(&self) -> String {
        format!("{}.{}", super::FACILITY, self.record)
    }

    /// `YYYY-MM-DD`.
    pub(crate) fn birth_date(&self) -> String {
        let part = |range: std::ops::Range<usize>| self.born.get(range).unwrap_or_default();
        format!("{}-{}-{}", part(0..4), part(4..6), part(6..8))
    }
}
