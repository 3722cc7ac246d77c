//! Advanced custom fields of the org, as schema discovery found them. A watch keeps them in memory.

use std::sync::{Arc, PoisonError, RwLock};

use bus::{Bus, WatchEvent};
use provisioning::{OrgId, SchemaKind, SchemaVersion};
use scim::CustomAttributes;
use tokio_util::sync::CancellationToken;

/// Cheap to clone. Empty until discovery has found fields.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields(Arc<RwLock<Arc<CustomAttributes>>>);

impl Fields {
    pub(crate) fn follow(bus: &Bus, org: &OrgId, stop: CancellationToken) -> Fields {
        let fields = Fields::default();
        let (shared, mut events) = (fields.clone(), bus.schema().watch(org));
        tokio::spawn(async move {
            loop {
                let event = tokio::select! {
                    () = stop.cancelled() => return,
                    event = events.next() => event,
                };
                match event {
                    WatchEvent::Put(_, stored) => shared.set(attributes(stored.value)),
                    WatchEvent::Removed(_) | WatchEvent::Reset => shared.set(CustomAttributes::default()),
                    WatchEvent::Synced => {}
                }
            }
        });
        fields
    }

    pub(crate) fn now(&self) -> Arc<CustomAttributes> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, attributes: CustomAttributes) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(attributes);
    }
}

fn attributes(schema: SchemaVersion) -> CustomAttributes {
    let advanced = schema
        .fields
        .into_iter()
        .filter(|field| field.kind == SchemaKind::AdvancedCustom);
    CustomAttributes::of(advanced.map(|field| field.name))
}
