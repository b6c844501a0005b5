//! The words that fictitious permits are made of. They name no real person or company.

/// How many permit types the server knows; `jumlahPerizinan` answers this.
pub(super) const TYPES: u64 = (PROFESSIONS.len() + PREFIXES.len() * TRADES.len()) as u64;

/// How many of the types, the first ones, are practice licences: their holders mostly have no
/// company, and the details of a permit are only found through one.
pub(super) const PRACTICES: u64 = PROFESSIONS.len() as u64;

const PROFESSIONS: [&str; 20] = [
    "Dokter Umum",
    "Dokter Gigi",
    "Dokter Spesialis",
    "Bidan",
    "Perawat",
    "Perawat Gigi & Mulut",
    "Apoteker",
    "Tenaga Teknis Kefarmasian",
    "Ahli Teknologi Laboratorium Medik",
    "Radiografer",
    "Fisioterapis",
    "Okupasi Terapis",
    "Terapis Wicara",
    "Refraksionis Optisien",
    "Tenaga Gizi",
    "Tenaga Sanitarian",
    "Perekam Medis",
    "Psikolog Klinis",
    "Penata Anestesi",
    "Dokter Hewan",
];

const PREFIXES: [&str; 3] = ["Izin Usaha", "Izin Operasional", "Tanda Daftar Usaha"];

const TRADES: [&str; 23] = [
    "Apotek",
    "Toko Obat",
    "Klinik – Rawat Jalan",
    "Laboratorium",
    "Optik",
    "Rumah Makan",
    "Kafé dan Restoran",
    "Hotel & Penginapan",
    "Perdagangan",
    "Industri Kecil",
    "Jasa Konstruksi",
    "Angkutan Barang",
    "Perjalanan Wisata",
    "Peternakan",
    "Perkebunan > 25 Ha",
    "Perikanan",
    "Pangkalan Gas",
    "Depot Air Minum",
    "Bengkel",
    "Reklame",
    "Kursus dan Pelatihan",
    "Taman Kanak-kanak",
    "Menara Telekomunikasi",
];

/// The name of a permit type, `0..TYPES`.
pub(super) fn type_name(number: u64) -> String {
    let number = (number % TYPES) as usize;
    match PROFESSIONS.get(number) {
        Some(profession) => format!("Surat Izin Praktik {profession}"),
        None => {
            let rest = number - PROFESSIONS.len();
            let (prefix, trade) = (rest % PREFIXES.len(), rest / PREFIXES.len());
            format!("{} {}", PREFIXES[prefix], TRADES[trade])
        }
    }
}

pub(super) const GIVEN: [&str; 24] = [
    "Adi", "Bela", "Candra", "Dewi", "Eka", "Fitri", "Gita", "Hendra", "Intan", "Joko", "Kartika",
    "Lestari", "Mawar", "Nanda", "Oki", "Putri", "Rani", "Sari", "Tari", "Umar", "Vina", "Wati",
    "Yuda", "Zaki",
];

pub(super) const FAMILY: [&str; 16] = [
    "Barus",
    "Bangun",
    "Ginting",
    "Karo-karo",
    "Ketaren",
    "Munthe",
    "Perangin-angin",
    "Purba",
    "Sebayang",
    "Sembiring",
    "Silalahi",
    "Sinulingga",
    "Sitepu",
    "Surbakti",
    "Tarigan",
    "Togatorop",
];

/// Names with what `htmlentities` turns into entities that XML does not define.
pub(super) const ODD_NAMES: [&str; 10] = [
    "Andrê",
    "René",
    "“Mama” Rina",
    "Ni’ma",
    "Sri\u{a0}Ulina",
    "Jürgen",
    "Dara – Suka",
    "Toko “Éka” & Anak",
    "D'Karo <Baru>",
    "Noël €",
];

pub(super) const COMPANIES: [&str; 10] = [
    "CV Maju Jaya",
    "CV Sinar & Rekan",
    "PT Gunung Sibayak Abadi",
    "PT Sinabung Makmur",
    "UD Tani Jaya",
    "UD Rejeki > Baru",
    "Koperasi Mejuah-juah",
    "Toko Obat Séhat",
    "Klinik “Bahagia”",
    "PT Lau Kawar – Wisata",
];

pub(super) const STREETS: [&str; 8] = [
    "Jl. Veteran",
    "Jl. Kapten Bangsi",
    "Jl. Jamin Ginting",
    "Jl. Pahlawan",
    "Jl. Mariam Ginting",
    "Desa Lingga",
    "Desa Rumah Kabanjahé",
    "Gg. Mawar – Samping Pajak",
];

pub(super) const DISTRICTS: [&str; 8] = [
    "Kabanjahe",
    "Berastagi",
    "Tigapanah",
    "Merek",
    "Barusjahe",
    "Simpang Empat",
    "Munte",
    "Juhar",
];

pub(super) const VILLAGES: [&str; 6] =
    ["Gung Leto", "Lau Cimba", "Padang Mas", "Kampung Dalam", "Gundaling I", "Sempa Jaya"];
