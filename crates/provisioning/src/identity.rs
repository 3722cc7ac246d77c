//! Decides whether two records mean the same person. SCIM, files, the feed and the importer share this one rule.
//!
//! One equal attribute is not enough to give a person an account. Ids are shared and reused, spreadsheets shorten them, and user names are
//! given to new people after the previous owner left. So an equal attribute only finds candidates, and [`IdentityVerdict::of`] compares the
//! other attributes. If a doubt remains, an admin gets a question; Rollcall never guesses. The full table is in
//! docs/decisions/0016-who-is-the-same-person.md.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{Field, NormalName, Person, PersonId, QuestionId, SourceId};

/// Attributes that identify a person. `None` and empty: not known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traits {
    /// The source's own id of the person.
    pub external_id: Option<String>,
    pub user_name: String,
    pub mail: Option<String>,
    pub employee_number: Option<String>,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    /// True if the person has access now.
    pub active: bool,
    /// True if the source gave a complete list that contains each of its people once.
    pub listed: bool,
}

impl Traits {
    /// The traits of a person in the roster, with this source's external id.
    pub fn of(person: &Person, source: &SourceId) -> Traits {
        let value =
            |field: Field| Some(person.profile.value(field).to_owned()).filter(|text| !text.is_empty());
        Traits {
            external_id: person
                .sources
                .get(source)
                .and_then(|mark| mark.external_id.clone()),
            user_name: person.user_name.clone(),
            mail: value(Field::Email),
            employee_number: value(Field::ExternalEmployeeId),
            first_name: value(Field::FirstName),
            last_name: value(Field::LastName),
            active: person.wanted_active(),
            listed: false,
        }
    }
}

/// The attribute by which a candidate was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EqualBy {
    ExternalId,
    UserName,
    Both,
}

/// The decision whether a statement is about a known person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentityVerdict {
    Same,
    Other,
    /// Too few attributes agree, or others contradict them: an admin must decide.
    Unclear,
}

/// The comparison of one attribute in two records.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Agrees,
    Differs,
    Unknown,
}

fn comparison(one: Option<&str>, other: Option<&str>) -> Comparison {
    let (Some(one), Some(other)) = (one.map(NormalName::of), other.map(NormalName::of)) else {
        return Comparison::Unknown;
    };
    match () {
        () if one.is_empty() || other.is_empty() => Comparison::Unknown,
        () if one == other => Comparison::Agrees,
        () => Comparison::Differs,
    }
}

impl IdentityVerdict {
    /// Compares the stated traits with those of a known person who has the same external id, user name, or both.
    pub fn of(stated: &Traits, known: &Traits, by: EqualBy) -> IdentityVerdict {
        let first_name = comparison(stated.first_name.as_deref(), known.first_name.as_deref());
        let agrees = first_name == Comparison::Agrees || independent_agreement(stated, known, by);
        let differs = first_name == Comparison::Differs;
        let last_name = comparison(stated.last_name.as_deref(), known.last_name.as_deref());
        match by {
            EqualBy::Both => IdentityVerdict::Same,
            EqualBy::ExternalId => match (agrees, differs) {
                (true, false) => IdentityVerdict::Same,
                // The first name differs, but mail or number and the last name agree: the name was corrected.
                (true, true) if last_name == Comparison::Agrees => IdentityVerdict::Same,
                (false, true) => IdentityVerdict::Other,
                // The source lists each of its people once, so this person has a new user name.
                (false, false) if stated.listed => IdentityVerdict::Same,
                (true, true) | (false, false) => IdentityVerdict::Unclear,
            },
            EqualBy::UserName => {
                let ids = comparison(stated.external_id.as_deref(), known.external_id.as_deref());
                match (ids, known.active) {
                    (Comparison::Differs, _) if agrees && !differs => IdentityVerdict::Same,
                    (Comparison::Differs, true) => IdentityVerdict::Other,
                    (Comparison::Differs, false) => IdentityVerdict::Unclear,
                    (Comparison::Agrees | Comparison::Unknown, true) => IdentityVerdict::Same,
                    (Comparison::Agrees | Comparison::Unknown, false) if differs && !agrees => {
                        IdentityVerdict::Unclear
                    }
                    (Comparison::Agrees | Comparison::Unknown, false) => IdentityVerdict::Same,
                }
            }
        }
    }
}

/// True if mail or employee number agree. A value that only repeats the equal attribute does not count.
fn independent_agreement(stated: &Traits, known: &Traits, by: EqualBy) -> bool {
    let repeats = |value: Option<&str>, equal: &str| {
        comparison(value, Some(equal)) == Comparison::Agrees && by == EqualBy::UserName
    };
    let mail = comparison(stated.mail.as_deref(), known.mail.as_deref()) == Comparison::Agrees
        && !repeats(stated.mail.as_deref(), &stated.user_name);
    let number = comparison(
        stated.employee_number.as_deref(),
        known.employee_number.as_deref(),
    ) == Comparison::Agrees
        && comparison(stated.employee_number.as_deref(), stated.external_id.as_deref()) != Comparison::Agrees;
    mail || number
}

/// A person in the roster that a statement may mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    pub person: PersonId,
    pub known: Traits,
    /// An admin's answer to the question about this pair; `None` without a question or without an answer.
    pub answer: Option<bool>,
}

/// The result of finding the person that a statement means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// A person who is in the roster.
    Known(PersonId),
    /// A new person. If a person without access still has the user name, that person gives it up (`releasing`).
    New { releasing: Option<PersonId> },
    /// The statement is refused: the user name belongs to another person.
    NameTaken { by: PersonId },
    /// An admin must decide whether the candidate is the same person.
    Unclear { candidate: PersonId },
}

fn verdict(stated: &Traits, candidate: &Candidate, by: EqualBy) -> IdentityVerdict {
    match candidate.answer {
        Some(true) => IdentityVerdict::Same,
        Some(false) => IdentityVerdict::Other,
        None => IdentityVerdict::of(stated, &candidate.known, by),
    }
}

/// Finds the person that a statement means, among the people with its external id and the person with its user name.
pub fn resolve(
    stated: &Traits,
    by_external_id: &[Candidate],
    by_user_name: Option<&Candidate>,
) -> Resolution {
    if let Some(both) = by_user_name
        && by_external_id
            .iter()
            .any(|candidate| candidate.person == both.person)
    {
        return Resolution::Known(both.person.clone());
    }
    let same_id = by_external_id
        .iter()
        .find(|candidate| verdict(stated, candidate, EqualBy::ExternalId) == IdentityVerdict::Same);
    let Some(holder) = by_user_name else {
        let unclear = by_external_id
            .iter()
            .find(|candidate| verdict(stated, candidate, EqualBy::ExternalId) == IdentityVerdict::Unclear);
        return match (same_id, unclear) {
            (Some(same), _) => Resolution::Known(same.person.clone()),
            (None, Some(unclear)) => Resolution::Unclear {
                candidate: unclear.person.clone(),
            },
            (None, None) => Resolution::New { releasing: None },
        };
    };
    let by = holder.person.clone();
    match (verdict(stated, holder, EqualBy::UserName), same_id) {
        (IdentityVerdict::Same, None) => Resolution::Known(by),
        (IdentityVerdict::Same, Some(_)) => Resolution::NameTaken { by },
        (IdentityVerdict::Unclear, _) => Resolution::Unclear { candidate: by },
        (IdentityVerdict::Other, _) if holder.known.active => Resolution::NameTaken { by },
        (IdentityVerdict::Other, Some(_)) => Resolution::NameTaken { by },
        (IdentityVerdict::Other, None) => Resolution::New { releasing: Some(by) },
    }
}

/// A question whether a statement means a known person: the traits of both, and the answer once there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityQuestion {
    pub id: QuestionId,
    pub source: SourceId,
    pub stated: Traits,
    pub person: PersonId,
    pub known: Traits,
    pub asked_at_ms: u64,
    /// True: the same person. `None`: not answered yet.
    pub same: Option<bool>,
    pub answered_at_ms: u64,
}

impl IdentityQuestion {
    /// The id of the question whether this source's statement means this person.
    pub fn id_of(source: &SourceId, stated: &Traits, person: &PersonId) -> QuestionId {
        let mut digest = Sha256::new();
        let user_name = NormalName::of(&stated.user_name);
        let parts = [
            source.as_str(),
            stated.external_id.as_deref().unwrap_or_default(),
            user_name.as_str(),
            person.as_str(),
        ];
        for part in parts {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part.as_bytes());
        }
        let hex: String = digest.finalize()[..6]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        QuestionId::parse(hex).expect("hex digits are an id")
    }
}

/// The new user name of a person whose user name goes to another person. Litmos accepts it, and no one else has it.
pub fn released_name(user_name: &str, person: &PersonId) -> String {
    /// Litmos accepts 255 characters.
    const KEPT: usize = 200;
    let tail: String = person.as_str().chars().rev().take(8).collect();
    let tail: String = tail.chars().rev().collect();
    let name: String = user_name.chars().take(KEPT).collect();
    format!("released-{tail}-{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads `id login first [mail] [gone]`; `-` means not known.
    fn traits(text: &str) -> Traits {
        let mut words = text.split_whitespace();
        let mut next = || words.next().filter(|word| *word != "-").map(str::to_owned);
        Traits {
            external_id: next(),
            user_name: next().unwrap_or_default(),
            first_name: next(),
            mail: next(),
            active: next().is_none(),
            ..Traits::default()
        }
    }

    #[track_caller]
    fn check(stated: &str, known: &str, by: EqualBy, expected: IdentityVerdict) {
        let verdict = IdentityVerdict::of(&traits(stated), &traits(known), by);
        assert_eq!(verdict, expected, "{stated} against {known}, equal by {by:?}");
    }

    #[test]
    fn an_equal_external_id_needs_something_else_that_agrees() {
        use IdentityVerdict::{Other, Same, Unclear};
        let by = EqualBy::ExternalId;
        check("E1 berg Mira", "E1 lund Mira", by, Same);
        check("E1 berg - m@corp", "E1 lund - M@corp", by, Same);
        check("E1 new Nina", "E1 lund Mira", by, Other);
        check("E1 new Nina", "E1 lund Mira - gone", by, Other);
        check("E1 new -", "E1 lund Mira", by, Unclear);
        check("E1 new Nina team@corp", "E1 lund Mira team@corp", by, Unclear);
    }

    #[test]
    fn a_complete_list_says_who_a_silent_row_is() {
        let stated = |text: &str| Traits {
            listed: true,
            ..traits(text)
        };
        let verdict =
            |text: &str| IdentityVerdict::of(&stated(text), &traits("E1 lund Mira"), EqualBy::ExternalId);
        assert_eq!(verdict("E1 berg -"), IdentityVerdict::Same);
        assert_eq!(verdict("E1 new Nina"), IdentityVerdict::Other);
    }

    #[test]
    fn a_corrected_first_name_beside_mail_and_last_name_is_a_rename() {
        let person = |login: &str, first: &str, last: &str| Traits {
            last_name: Some(last.to_owned()),
            ..traits(&format!("E2 {login} {first} p2@corp"))
        };
        let verdict = |stated: &Traits| {
            IdentityVerdict::of(stated, &person("p2", "First", "Last"), EqualBy::ExternalId)
        };
        assert_eq!(
            verdict(&person("p2.new", "Second", "Last")),
            IdentityVerdict::Same
        );
        assert_eq!(
            verdict(&person("p2.new", "Second", "Ray")),
            IdentityVerdict::Unclear
        );
    }

    #[test]
    fn an_equal_user_name_is_enough_unless_ids_or_names_contradict() {
        use IdentityVerdict::{Other, Same, Unclear};
        let by = EqualBy::UserName;
        check("E1 mira Mira", "- mira -", by, Same);
        check("- mira -", "E1 mira Mira - gone", by, Same);
        check("E9 mira Mira", "E1 mira Mira", by, Same);
        check("E9 mira Nina", "E1 mira Mira", by, Other);
        check("E9 mira -", "E1 mira Mira", by, Other);
        check("E9 mira Nina", "E1 mira Mira - gone", by, Unclear);
        check("E9 mira -", "E1 mira Mira - gone", by, Unclear);
        check("- mira Nina", "- mira Mira - gone", by, Unclear);
        check("- mira Nina", "- mira Mira", by, Same);
    }

    #[test]
    fn a_mail_that_only_repeats_the_user_name_agrees_with_nothing_else() {
        check(
            "E9 mira@corp - mira@corp",
            "E1 mira@corp - mira@corp",
            EqualBy::UserName,
            IdentityVerdict::Other,
        );
    }

    fn candidate(id: &str, known: &str) -> Candidate {
        Candidate {
            person: PersonId::parse(id).unwrap(),
            known: traits(known),
            answer: None,
        }
    }

    #[test]
    fn a_user_name_of_somebody_else_is_taken_and_one_of_somebody_gone_is_a_question() {
        let zed = candidate("zed", "E2 zed Zed");
        let stated = traits("E2 mira Zed");
        let mira = candidate("mira", "E1 mira Mira");
        let by = mira.person.clone();
        assert_eq!(
            resolve(&stated, std::slice::from_ref(&zed), Some(&mira)),
            Resolution::NameTaken { by: by.clone() }
        );
        let gone = candidate("mira", "E1 mira Mira - gone");
        let stated = traits("E3 mira Nina");
        assert_eq!(
            resolve(&stated, &[], Some(&gone)),
            Resolution::Unclear {
                candidate: by.clone()
            }
        );
        let answered = Candidate {
            answer: Some(false),
            ..gone
        };
        assert_eq!(
            resolve(&stated, &[], Some(&answered)),
            Resolution::New { releasing: Some(by) }
        );
    }

    #[test]
    fn a_released_name_is_one_that_litmos_takes() {
        let id = PersonId::parse("0193-aaaa-bbbbcccc").unwrap();
        for name in ["mira@corp.example".to_owned(), "x".repeat(255)] {
            assert_eq!(crate::user_name_problem(&released_name(&name, &id)), None);
        }
    }

    proptest::proptest! {
        /// An equal external id alone, without a second attribute that agrees, never identifies a known person.
        #[test]
        fn nobody_known_is_meant_by_an_external_id_alone(
            first in proptest::option::of("[A-C]"), other in proptest::option::of("[A-C]"), active: bool,
        ) {
            let stated = Traits { external_id: Some("E1".into()), user_name: "new".into(), first_name: first.clone(), ..Traits::default() };
            let known = Traits { external_id: Some("E1".into()), user_name: "old".into(), first_name: other.clone(), active, ..Traits::default() };
            let same = IdentityVerdict::of(&stated, &known, EqualBy::ExternalId) == IdentityVerdict::Same;
            proptest::prop_assert_eq!(same, first.is_some() && first == other);
        }
    }
}
