//! placeholder
mod company;
#[derive(Debug, clap::Args)]
pub(crate) struct Demo {}
impl Demo { pub(crate) async fn run(&self) -> anyhow::Result<crate::Ending> { let _ = (company::roster_csv(&company::employees(company::PEOPLE,1)), company::GROUPS); Ok(crate::Ending::Done) } }
