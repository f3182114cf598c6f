//! What a capability allows: checked at every call, only ever narrowed. Capabilities live on one
//! thread; a revocation flag is shared by a capability and everything derived from it.

use crate::auth::Grants;
use crate::failure::Failure;
use node_ingest::gateway::Caller;
use schema_types::audit::AuditAction;
use schema_types::error_code::ErrorCode;
use schema_types::ids::SourceId;
use schema_wire::rpc_capnp as wire;
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;
use tokio::time::Instant;
use wire::Field;

/// What a call needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// Nothing but a living capability.
    Life,
    /// To write.
    Write,
    /// To see a field.
    See(Field),
    /// To operate the node.
    Operate,
}

impl Need {
    /// How the audit log describes a call that was refused.
    pub(crate) const fn action(self) -> AuditAction {
        match self {
            Self::Write => AuditAction::Update,
            Self::Life | Self::See(_) | Self::Operate => AuditAction::Read,
        }
    }
}

/// Which fields may be seen: one bit for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fields(u64);

impl Fields {
    pub(crate) const ALL: Self = Self(u64::MAX);

    pub(crate) fn of(fields: impl IntoIterator<Item = Field>) -> Self {
        Self(fields.into_iter().fold(0, |bits, field| bits | Self::bit(field as u16)))
    }

    fn bit(number: u16) -> u64 {
        1_u64.checked_shl(u32::from(number)).unwrap_or(0)
    }

    pub(crate) fn has(self, field: Field) -> bool {
        self.0 & Self::bit(field as u16) != 0
    }

    fn within(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// Fields named in a request; `None` when none is. One that is unknown here is refused.
    pub(crate) fn read(list: capnp::enum_list::Reader<'_, Field>) -> Result<Option<Self>, Failure> {
        let mut bits = 0;
        for field in list {
            let field = field?;
            if field == Field::Unknown {
                return Err(Failure::bad_request("a field is unknown to this node"));
            }
            bits |= Self::bit(field as u16);
        }
        Ok((bits != 0).then_some(Self(bits)))
    }
}

/// Ends a capability and what came from it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Revocation(Rc<Cell<bool>>);

impl Revocation {
    pub(crate) fn revoke(&self) {
        self.0.set(true);
    }
}

/// When a session ends; shared by its capabilities, so that renewal reaches them all.
#[derive(Debug, Clone)]
pub(crate) struct Lease(Rc<Cell<Instant>>);

impl Lease {
    pub(crate) fn new(ms: u64) -> Self {
        Self(Rc::new(Cell::new(Instant::now() + Duration::from_millis(ms))))
    }

    pub(crate) fn renew(&self, ms: u64) {
        self.0.set(Instant::now() + Duration::from_millis(ms));
    }
}

/// What a capability allows.
#[derive(Debug, Clone)]
pub(crate) struct Access {
    /// Who acts, and for what purpose.
    pub(crate) caller: Rc<Caller>,
    /// The source of what they send.
    pub(crate) source: SourceId,
    purposes: Rc<[String]>,
    is_read_only: bool,
    fields: Fields,
    may_operate: bool,
    lease: Lease,
    /// The end set by a restriction; the monotonic clock decides (TIME-1).
    expires_at: Option<Instant>,
    revocations: Vec<Revocation>,
}

impl Access {
    /// All that a login granted.
    pub(crate) fn new(grants: Grants, lease: Lease) -> Self {
        let purpose = grants.purposes.first().cloned().unwrap_or_default();
        let fields = grants.fields.map_or(Fields::ALL, |numbers| {
            Fields(numbers.into_iter().fold(0, |bits, number| bits | Fields::bit(number)))
        });
        Self {
            source: SourceId::new(format!("rpc:{}", grants.principal)),
            caller: Rc::new(Caller { principal: grants.principal, purpose }),
            purposes: grants.purposes.into(),
            is_read_only: grants.read_only,
            fields,
            may_operate: grants.admin,
            lease,
            expires_at: None,
            revocations: Vec::new(),
        }
    }

    pub(crate) const fn lease(&self) -> &Lease {
        &self.lease
    }

    /// Whether the capability allows something now.
    ///
    /// # Errors
    /// `MED-AUTH-003` revoked, `MED-AUTH-004` expired, `MED-AUTH-005` not allowed.
    pub(crate) fn check(&self, need: Need) -> Result<(), Failure> {
        if self.revocations.iter().any(|revocation| revocation.0.get()) {
            let reason = "the capability was revoked or its session closed";
            return Err(Failure::new(ErrorCode::CapabilityRevoked, reason));
        }
        let now = Instant::now();
        let is_over = self.expires_at.is_some_and(|expires_at| now >= expires_at);
        if is_over || now >= self.lease.0.get() {
            let reason = "the capability has expired";
            return Err(Failure::new(ErrorCode::CapabilityExpired, reason));
        }
        let (is_allowed, reason) = match need {
            Need::Life => (true, ""),
            Need::Write => (!self.is_read_only, "the capability is read-only"),
            Need::See(field) => (self.fields.has(field), "the capability does not show this"),
            Need::Operate => (self.may_operate, "the capability does not operate the node"),
        };
        if is_allowed { Ok(()) } else { Err(Failure::new(ErrorCode::CapabilityRefused, reason)) }
    }

    /// The fields asked for, which must be allowed; `usual` when none is named, as far as allowed.
    pub(crate) fn show(&self, asked: Option<Fields>, usual: Fields) -> Result<Fields, Failure> {
        match asked {
            None => Ok(Fields(usual.0 & self.fields.0)),
            Some(asked) if asked.within(self.fields) => Ok(asked),
            Some(_) => {
                let reason = "the capability does not show all of these fields";
                Err(Failure::new(ErrorCode::CapabilityRefused, reason))
            }
        }
    }

    /// A second handle on the same rights that can be revoked by itself.
    pub(crate) fn derive(&self) -> (Self, Revocation) {
        let revocation = Revocation::default();
        let mut derived = self.clone();
        derived.revocations.push(revocation.clone());
        (derived, revocation)
    }

    /// A weaker capability; it never allows more than this one.
    ///
    /// # Errors
    /// `MED-AUTH-005` when something is asked for that this one does not have.
    pub(crate) fn restrict(
        &self,
        asked: wire::restrictions::Reader<'_>,
    ) -> Result<(Self, Revocation), Failure> {
        let (mut weaker, revocation) = self.derive();
        weaker.is_read_only |= asked.get_read_only();
        if let Some(fields) = Fields::read(asked.get_fields()?)? {
            weaker.fields = self.show(Some(fields), Fields::ALL)?;
        }
        let purpose = asked.get_purpose()?.to_str()?;
        if !purpose.is_empty() {
            if !self.purposes.iter().any(|granted| granted == purpose) {
                let reason = "the purpose of use was not granted";
                return Err(Failure::new(ErrorCode::CapabilityRefused, reason));
            }
            let principal = self.caller.principal.clone();
            weaker.caller = Rc::new(Caller { principal, purpose: purpose.to_owned() });
            weaker.purposes = Rc::new([purpose.to_owned()]);
        }
        if asked.get_expires_in_ms() > 0 {
            let expires_at =
                Instant::now().checked_add(Duration::from_millis(asked.get_expires_in_ms()));
            weaker.expires_at = match (self.expires_at, expires_at) {
                (Some(one), Some(other)) => Some(one.min(other)),
                (one, other) => one.or(other),
            };
        }
        Ok((weaker, revocation))
    }
}
