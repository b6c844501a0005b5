//! All that knows SICANTIK, the server of the licensing office.


