//! The writable fields of a Litmos user record, with their names in user records, in bulk imports and in Rollcall.
//!
//! `UserName`, `Active`, `AccessLevel` and `ManagerId` are not in this list: each has its own rules and its own place in the types.
//! Output-only fields (`FullName`, `LastLogin`, `Points` ...) are not kept.

use serde::{Deserialize, Serialize};

/// The type of a field's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldKind {
    Text,
    /// `true` or `false`.
    Bool,
}

macro_rules! fields {
    ($($variant:ident, $wire:literal, $bulk:expr, $max:literal, $kind:ident;)*) => {
        /// A writable profile field of a Litmos user.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Field { $($variant,)* }

        impl Field {
            pub const ALL: &'static [Field] = &[$(Field::$variant,)*];

            /// The field's name in user records (`/users`).
            pub fn wire(self) -> &'static str {
                match self { $(Field::$variant => $wire,)* }
            }

            /// The field's name in bulk imports, if bulk import can set it.
            pub fn bulk(self) -> Option<&'static str> {
                match self { $(Field::$variant => $bulk,)* }
            }

            /// Most characters that Litmos accepts; 0 if no limit is documented.
            pub fn max_chars(self) -> usize {
                match self { $(Field::$variant => $max,)* }
            }

            /// The field with exactly this name. Most names are exact, and this needs no search.
            fn exactly(name: &str) -> Option<Field> {
                match name { $($wire => Some(Field::$variant),)* _ => None }
            }

            pub fn kind(self) -> FieldKind {
                match self { $(Field::$variant => FieldKind::$kind,)* }
            }
        }
    };
}

fields! {
    FirstName, "FirstName", Some("FirstName"), 50, Text;
    LastName, "LastName", Some("LastName"), 50, Text;
    Email, "Email", Some("Email"), 255, Text;
    DisableMessages, "DisableMessages", None, 0, Bool;
    Skype, "Skype", Some("Skype"), 100, Text;
    PhoneWork, "PhoneWork", Some("Phone"), 50, Text;
    PhoneMobile, "PhoneMobile", Some("Mobile"), 50, Text;
    IsCustomUsername, "IsCustomUsername", None, 0, Bool;
    TimeZone, "TimeZone", None, 0, Text;
    SalesforceId, "SalesforceId", Some("SalesforceId"), 0, Text;
    Street1, "Street1", Some("Address1"), 100, Text;
    Street2, "Street2", Some("Address2"), 100, Text;
    City, "City", Some("City"), 0, Text;
    State, "State", Some("State"), 0, Text;
    PostalCode, "PostalCode", Some("Zip"), 0, Text;
    Country, "Country", Some("Country"), 0, Text;
    CompanyName, "CompanyName", Some("CompanyName"), 100, Text;
    JobTitle, "JobTitle", Some("Title"), 0, Text;
    CustomField1, "CustomField1", Some("CustomField1"), 0, Text;
    CustomField2, "CustomField2", Some("CustomField2"), 0, Text;
    CustomField3, "CustomField3", Some("CustomField3"), 0, Text;
    CustomField4, "CustomField4", Some("CustomField4"), 0, Text;
    CustomField5, "CustomField5", Some("CustomField5"), 0, Text;
    CustomField6, "CustomField6", Some("CustomField6"), 0, Text;
    CustomField7, "CustomField7", Some("CustomField7"), 0, Text;
    CustomField8, "CustomField8", Some("CustomField8"), 0, Text;
    CustomField9, "CustomField9", Some("CustomField9"), 0, Text;
    CustomField10, "CustomField10", Some("CustomField10"), 0, Text;
    Culture, "Culture", Some("Culture"), 0, Text;
    SalesforceContactId, "SalesforceContactId", Some("SalesforceContactId"), 0, Text;
    SalesforceAccountId, "SalesforceAccountId", Some("SalesforceAccountId"), 0, Text;
    Brand, "Brand", Some("Brand"), 0, Text;
    EnableTextNotification, "EnableTextNotification", None, 0, Bool;
    Website, "Website", Some("WebSite"), 0, Text;
    Twitter, "Twitter", Some("Twitter"), 0, Text;
    ExpirationDate, "ExpirationDate", None, 0, Text;
    JobRole, "JobRole", Some("JobRole"), 0, Text;
    ExternalEmployeeId, "ExternalEmployeeId", Some("ExternalEmployeeId"), 0, Text;
}

impl Field {
    /// The field with this wire name, in any case.
    pub fn from_wire(name: &str) -> Option<Field> {
        Field::exactly(name).or_else(|| {
            let mut all = Field::ALL.iter().copied();
            all.find(|field| field.wire().eq_ignore_ascii_case(name))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wire_names_are_unique_and_found_in_any_case() {
        for field in Field::ALL {
            assert_eq!(Field::from_wire(field.wire()), Some(*field));
            assert_eq!(Field::from_wire(&field.wire().to_uppercase()), Some(*field));
        }
    }
}
