//! Methods that set a field and give the options back.

/// A method for every field, which takes its value.
macro_rules! setters {
    ($($(#[doc = $doc:literal])+ $field:ident: $type:ty),+ $(,)?) => {
        $(
            $(#[doc = $doc])+
            #[must_use]
            pub fn $field(mut self, $field: $type) -> Self {
                self.$field = $field;
                self
            }
        )+
    };
}

pub(crate) use setters;
