//! Free-text attributes of a user, with their names in user records and in bulk imports.

/// Longest value of attributes without a documented length, so that records have a bounded size.
const UNDOCUMENTED: usize = 1000;

macro_rules! texts {
    ($( $variant:ident $bulk:literal $max:expr; )+) => {
        /// A free-text attribute.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(crate) enum Text { $($variant),+ }

        impl Text {
            pub(crate) const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Name in user records.
            pub(crate) fn name(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant)),+ }
            }

            /// Name in bulk imports. Empty if bulk imports do not have the attribute.
            pub(crate) fn bulk_name(self) -> &'static str {
                match self { $(Self::$variant => $bulk),+ }
            }

            /// True for attributes that are null until they are set, in all observed records.
            pub(crate) fn is_null_until_set(self) -> bool {
                [
                    Self::SalesforceId,
                    Self::SalesforceContactId,
                    Self::SalesforceAccountId,
                    Self::ProfileType,
                ]
                .contains(&self)
            }

            /// Longest value, in characters.
            pub(crate) fn longest(self) -> usize {
                match self { $(Self::$variant => $max),+ }
            }
        }
    };
}

texts! {
    Skype "Skype" 100;
    PhoneWork "Phone" 50;
    PhoneMobile "Mobile" 50;
    TimeZone "TimeZone" UNDOCUMENTED;
    SalesforceId "SalesforceId" UNDOCUMENTED;
    Street1 "Address1" 100;
    Street2 "Address2" 100;
    City "City" UNDOCUMENTED;
    State "State" UNDOCUMENTED;
    PostalCode "Zip" UNDOCUMENTED;
    Country "Country" UNDOCUMENTED;
    CompanyName "CompanyName" 100;
    JobTitle "Title" UNDOCUMENTED;
    CustomField1 "CustomField1" UNDOCUMENTED;
    CustomField2 "CustomField2" UNDOCUMENTED;
    CustomField3 "CustomField3" UNDOCUMENTED;
    CustomField4 "CustomField4" UNDOCUMENTED;
    CustomField5 "CustomField5" UNDOCUMENTED;
    CustomField6 "CustomField6" UNDOCUMENTED;
    CustomField7 "CustomField7" UNDOCUMENTED;
    CustomField8 "CustomField8" UNDOCUMENTED;
    CustomField9 "CustomField9" UNDOCUMENTED;
    CustomField10 "CustomField10" UNDOCUMENTED;
    Culture "Culture" UNDOCUMENTED;
    SalesforceContactId "SalesforceContactId" UNDOCUMENTED;
    SalesforceAccountId "SalesforceAccountId" UNDOCUMENTED;
    Brand "Brand" UNDOCUMENTED;
    Website "WebSite" UNDOCUMENTED;
    Twitter "Twitter" UNDOCUMENTED;
    ExpirationDate "InActiveDate" UNDOCUMENTED;
    JobRole "JobRole" UNDOCUMENTED;
    ExternalEmployeeId "ExternalEmployeeId" UNDOCUMENTED;
    ProfileType "" UNDOCUMENTED;
}
