//! Invents people, so that a rehearsal resembles a company. The same seed gives the same people.

use std::time::Duration;

use jiff::Timestamp;

use crate::chance::Chance;
use crate::model::{AccessLevel, Account, Text, User};

const FIRST: &[&str] = &[
    "Ada", "Bram", "Carla", "Dmitri", "Elif", "Farid", "Greta", "Hugo", "Ines", "Jonas", "Kaori", "Liam",
    "Mira", "Noor", "Oskar", "Priya", "Quentin", "Rosa", "Søren", "Tara", "Umar", "Vera", "Wei", "Xenia",
    "Yusuf", "Zoë",
];
const LAST: &[&str] = &[
    "Abbott", "Berg", "Castillo", "Dahl", "Eriksen", "Fischer", "Garnier", "Haddad", "Ito", "Jensen",
    "Kovács", "Lund", "Marino", "Novak", "O'Neil", "Petrov", "Quist", "Rossi", "Sato", "Tanaka", "Usman",
    "Vidal", "Weber", "Yilmaz", "Zhang",
];
const TITLES: &[&str] = &[
    "Engineer",
    "Nurse",
    "Technician",
    "Account Manager",
    "Planner",
    "Trainer",
    "Driver",
];
const CITIES: &[(&str, &str)] = &[
    ("Malmö", "Sweden"),
    ("Lyon", "France"),
    ("Leeds", "United Kingdom"),
    ("Porto", "Portugal"),
    ("Denver", "United States"),
    ("Osaka", "Japan"),
];

impl Account {
    /// Adds `count` people, created over the last year. About one in twenty is inactive.
    pub(crate) fn invent_people(&mut self, count: usize, seed: u64, now: Timestamp) {
        let mut chance = Chance::new(seed ^ 0x5EED);
        let numbered_from = self.users.len();
        for index in 0..count {
            let person = person(numbered_from + index, index, count, &mut chance, now);
            if self.users.by_name(&person.user_name).is_none() {
                self.admit(person);
            }
        }
    }
}

fn person(number: usize, index: usize, count: usize, chance: &mut Chance, now: Timestamp) -> User {
    const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
    let (first, last) = (*chance.pick(FIRST), *chance.pick(LAST));
    let plain: String = format!("{first}.{last}.{number}")
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '.')
        .collect();
    let address = format!("{}@corp.example", plain.to_lowercase());
    let created = now - YEAR.mul_f64(1.0 - index as f64 / count as f64);
    let (city, country) = *chance.pick(CITIES);
    let mut user = User {
        user_name: address.clone(),
        first_name: first.to_owned(),
        last_name: last.to_owned(),
        email: address,
        access_level: if chance.below(100) == 0 {
            AccessLevel::Administrator
        } else {
            AccessLevel::Learner
        },
        active: chance.below(20) != 0,
        ..User::blank(created)
    };
    user.last_login = (chance.below(3) != 0).then(|| created + Duration::from_secs(chance.below(86_400)));
    user.texts.extend([
        (Text::JobTitle, (*chance.pick(TITLES)).to_owned()),
        (Text::City, city.to_owned()),
        (Text::Country, country.to_owned()),
        (Text::CompanyName, "Corp Example".to_owned()),
        (Text::TimeZone, "UTC".to_owned()),
        (Text::Skype, String::new()),
        (Text::ExternalEmployeeId, format!("E{number:06}")),
    ]);
    user.checked()
        .expect("invented people keep to the rules: plain names, and addresses at corp.example")
}
