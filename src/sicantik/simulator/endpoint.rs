//! The endpoints that the server has, by the names they have there.

use strum::{EnumString, IntoStaticStr};

#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr)]
pub(super) enum Endpoint {
    /// The listing of issued permits, a page at a time.
    #[strum(serialize = "listpermohonanterbit")]
    Listing,
    /// The details of a permit, by the base64 of its number as stored.
    #[strum(serialize = "cekperizinan")]
    Details,
    /// The details of a permit, by its decoded number; missing from older deployments.
    #[strum(serialize = "cekperizinanizin")]
    DetailsByNumber,
    /// How many types of permits there are.
    #[strum(serialize = "jumlahPerizinan")]
    TypeCount,
    /// The types of permits.
    #[strum(serialize = "jenisperizinanlist")]
    Types,
}

impl Endpoint {
    /// Its name in a path.
    pub(super) fn name(self) -> &'static str {
        self.into()
    }
}
