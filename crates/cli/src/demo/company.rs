//! An invented company, like an HR export with some bad lines. The same seed makes the same company.

use std::fmt::Write as _;

/// Number of people in the demo's company.
pub(crate) const PEOPLE: usize = 2_000;

/// Number of groups in the demo's company.
pub(crate) const GROUPS: usize = 40;

const FIRST: [&str; 40] = [
    "Mira",
    "José",
    "Anneliese",
    "Søren",
    "Łucja",
    "Zoë",
    "Björn",
    "Nguyên",
    "Chloé",
    "Ömer",
    "Ayşe",
    "Iñigo",
    "Réka",
    "Māra",
    "Siân",
    "Tomáš",
    "Øyvind",
    "Ines",
    "Kwame",
    "Priya",
    "Yuki",
    "Omar",
    "Leila",
    "Dmitri",
    "Fatima",
    "Jean-Luc",
    "Ana María",
    "Noor",
    "Tariq",
    "Grace",
    "Hugo",
    "Ivana",
    "Jonas",
    "Katarzyna",
    "Liam",
    "Maëlys",
    "Nils",
    "Olga",
    "Pedro",
    "Rania",
];

const LAST: [&str; 36] = [
    "Lund",
    "García Márquez",
    "O'Hara",
    "Müller-Lüdenscheidt",
    "Nowak",
    "Åström",
    "Çelik",
    "Trần",
    "Dvořák",
    "Sørensen",
    "Kováč",
    "Van der Berg",
    "Ó Súilleabháin",
    "Bērziņš",
    "Ivanov",
    "Okafor",
    "Sharma",
    "Tanaka",
    "Haddad",
    "Rossi",
    "Silva",
    "Weiß",
    "Fernández",
    "Lefèvre",
    "Novák",
    "Janssen",
    "Mensah",
    "Kim",
    "Ali",
    "Jones",
    "Schmidt",
    "Horvath",
    "Costa",
    "Larsen",
    "Popescu",
    "Featherstonehaugh-Cholmondeley",
];

const TITLES: [&str; 8] = [
    "Engineer",
    "Nurse",
    "Sales Associate",
    "Store Manager",
    "Analyst",
    "Trainer",
    "Technician",
    "Field Guide",
];

/// One invented employee.
#[derive(Clone, Debug)]
pub(crate) struct Employee {
    pub(crate) number: usize,
    pub(crate) user_name: String,
    pub(crate) email: String,
    pub(crate) first: &'static str,
    pub(crate) last: &'static str,
    pub(crate) title: &'static str,
    pub(crate) level: &'static str,
    pub(crate) manager: Option<usize>,
    pub(crate) groups: Vec<String>,
}

/// Small deterministic generator (SplitMix64): the company must be the same everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((z ^ (z >> 31)) % sides as u64).unwrap_or_default()
    }
}

pub(crate) fn group_name(n: usize) -> String {
    const REGIONS: [&str; 8] = [
        "North", "South", "East", "West", "EMEA", "APAC", "Nordics", "Québec",
    ];
    const TEAMS: [&str; 5] = ["Sales", "Care & Safety", "Stores", "Engineering", "Leaders"];
    format!(
        "{} {}",
        REGIONS[n % REGIONS.len()],
        TEAMS[n / REGIONS.len() % TEAMS.len()]
    )
}

fn ascii(name: &str) -> String {
    name.chars()
        .filter(char::is_ascii_alphabetic)
        .flat_map(char::to_lowercase)
        .take(12)
        .collect()
}

/// Employees of the company. Number 0 leads it. Every tenth of the others leads the next nine.
pub(crate) fn employees(people: usize, seed: u64) -> Vec<Employee> {
    let mut dice = Dice(seed);
    (0..people)
        .map(|number| {
            let (first, last) = (FIRST[dice.roll(FIRST.len())], LAST[dice.roll(LAST.len())]);
            let name = format!("{}.{}.{number}", ascii(first), ascii(last));
            let user_name = format!("{name}@corp.example");
            // Plus-addresses are valid as e-mail, but Litmos refuses them as user names.
            let email = if number % 50 == 7 {
                format!("{name}+training@corp.example")
            } else {
                user_name.clone()
            };
            let level = match number {
                0 => "Account_Owner",
                1..=4 => "Administrator",
                n if n % 1_000 == 10 => "Team_Admin",
                n if n % 250 == 20 => "Team_Leader",
                _ => "Learner",
            };
            let manager = match number {
                0 => None,
                n if n % 10 == 0 => Some(0),
                n => Some(n / 10 * 10),
            };
            let mut groups = vec![group_name(number % GROUPS)];
            for _ in 0..dice.roll(3) {
                let other = group_name(dice.roll(GROUPS));
                if !groups.contains(&other) {
                    groups.push(other);
                }
            }
            let title = TITLES[dice.roll(TITLES.len())];
            Employee {
                number,
                user_name,
                email,
                first,
                last,
                title,
                level,
                manager,
                groups,
            }
        })
        .collect()
}

/// Lines that a load must refuse and report, each with a text that its report must contain.
pub(crate) const BAD_LINES: [(&str, &str); 4] = [
    (
        "bad1,,Nameless,Person,nameless@corp.example,Learner,,,,",
        "user_name",
    ),
    (
        "bad2,level.wrong@corp.example,Level,Wrong,level.wrong@corp.example,Emperor,,,,",
        "access level",
    ),
    ("bad3,too,few", "columns"),
    (
        "bad4,active.wrong@corp.example,Active,Wrong,active.wrong@corp.example,Learner,,,,perhaps",
        "active",
    ),
];

/// A person whose user name Litmos forbids. The load accepts it, and the planner parks it.
pub(crate) const PLUS_PERSON: &str =
    "E9001,plus+tag@corp.example,Plus,Tag,plus+tag@corp.example,Learner,,North Sales,Analyst,true";

fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// The employees as a CSV file for `rollcall load`, with the bad lines in between.
pub(crate) fn roster_csv(employees: &[Employee]) -> String {
    let mut csv = String::from(
        "external_id,user_name,first_name,last_name,email,access_level,manager,groups,JobTitle,active\n",
    );
    for employee in employees {
        if let Some((line, _)) = BAD_LINES
            .get(employee.number / 400)
            .filter(|_| employee.number % 400 == 200)
        {
            csv.push_str(line);
            csv.push('\n');
        }
        let manager = employee
            .manager
            .map(|number| employees[number].user_name.as_str())
            .unwrap_or_default();
        let _ = writeln!(
            csv,
            "E{:05},{},{},{},{},{},{},{},{},true",
            employee.number,
            employee.user_name,
            quoted(employee.first),
            quoted(employee.last),
            employee.email,
            employee.level,
            manager,
            quoted(&employee.groups.join(";")),
            employee.title,
        );
    }
    csv.push_str(PLUS_PERSON);
    csv.push('\n');
    csv
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_company_is_the_same_for_the_same_seed_and_has_every_sort_of_person() {
        let company = employees(PEOPLE, 1);
        assert_eq!(roster_csv(&company), roster_csv(&employees(PEOPLE, 1)));
        assert_ne!(roster_csv(&company), roster_csv(&employees(PEOPLE, 2)));
        let names: BTreeSet<&str> = company
            .iter()
            .map(|employee| employee.user_name.as_str())
            .collect();
        assert_eq!(names.len(), PEOPLE);
        let levels: BTreeSet<&str> = company.iter().map(|employee| employee.level).collect();
        assert_eq!(levels.len(), 5);
        let groups: BTreeSet<&String> = company.iter().flat_map(|employee| &employee.groups).collect();
        assert_eq!(groups.len(), GROUPS);
    }
}
