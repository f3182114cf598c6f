//! The registry of stable error codes. A code never changes its meaning and is never reused; each
//! has a page for operators under `deploy/runbooks/errors/`.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;

macro_rules! error_codes {
    ($( $(#[$doc:meta])* $name:ident = $code:literal; )*) => {
        /// A stable, user-visible error code.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ErrorCode { $( $(#[$doc])* $name, )* }

        impl ErrorCode {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The code as users see it, for example `MED-HL7-001`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code),* }
            }
        }
    };
}

error_codes! {
    /// The bytes are not an HL7 v2 message: no MSH, FHS or BHS at the start.
    Hl7NotAMessage = "MED-HL7-001";
    /// The delimiters in MSH-1 and MSH-2 are missing, repeated or letters.
    Hl7Delimiters = "MED-HL7-002";
    /// An MLLP frame was cut or is not framed by the start and end blocks.
    Hl7Frame = "MED-HL7-003";
    /// The message is larger than the limit.
    Hl7TooLarge = "MED-HL7-004";
    /// The bytes do not fit the character set of MSH-18.
    Hl7Encoding = "MED-HL7-005";
    /// The message type or trigger event is not supported.
    Hl7UnsupportedEvent = "MED-HL7-006";
    /// The version in MSH-12 is not supported.
    Hl7Version = "MED-HL7-007";
    /// A required segment is missing.
    Hl7SegmentMissing = "MED-HL7-008";
    /// A required field is missing.
    Hl7FieldMissing = "MED-HL7-009";
    /// A field does not have its data type.
    Hl7DataType = "MED-HL7-010";
    /// A control id (MSH-10) was used before with other content.
    Hl7ControlIdReused = "MED-HL7-011";
    /// Batch headers, trailers or counts do not agree.
    Hl7Batch = "MED-HL7-012";
    /// A segment name is malformed.
    Hl7Segment = "MED-HL7-013";
    /// The body is not JSON or not a FHIR resource.
    FhirSyntax = "MED-FHIR-001";
    /// The resource breaks a structural rule of FHIR R4.
    FhirStructure = "MED-FHIR-002";
    /// The resource type is unknown to FHIR R4.
    FhirResourceType = "MED-FHIR-003";
    /// The search parameter or modifier is not supported.
    FhirSearchParameter = "MED-FHIR-004";
    /// The version in `If-Match` is not the current one.
    FhirVersionConflict = "MED-FHIR-005";
    /// There is no such resource.
    FhirNotFound = "MED-FHIR-006";
    /// A bundle cannot be processed as a whole.
    FhirBundle = "MED-FHIR-007";
    /// A reference in a bundle cannot be resolved.
    FhirReference = "MED-FHIR-008";
    /// The interaction or method is not supported.
    FhirInteraction = "MED-FHIR-009";
    /// The resource was deleted.
    FhirGone = "MED-FHIR-010";
    /// The body is larger than the limit.
    FhirTooLarge = "MED-FHIR-011";
    /// The media type is not supported.
    FhirMediaType = "MED-FHIR-012";
    /// A clinical time lies in the future.
    ClinicalFuture = "MED-CLIN-001";
    /// A value cannot come from a living person.
    ClinicalImplausible = "MED-CLIN-002";
    /// A unit cannot be converted.
    ClinicalUnit = "MED-CLIN-003";
    /// There is no such patient.
    PatientUnknown = "MED-PAT-001";
    /// The identifier belongs to more than one patient.
    PatientAmbiguous = "MED-PAT-002";
    /// The merge would join a patient with itself or close a circle.
    PatientMerge = "MED-PAT-003";
    /// There is no such alert, or its state does not allow the action.
    PatientAlert = "MED-PAT-004";
    /// There is no such link to undo.
    PatientLink = "MED-PAT-005";
    /// A limit of one entity is reached.
    EntityLimit = "MED-PAT-006";
    /// There is no such device.
    DeviceUnknown = "MED-DEV-001";
    /// There is no such facility.
    FacilityUnknown = "MED-FAC-001";
    /// The purpose of use is missing or not allowed.
    PurposeRefused = "MED-AUTH-001";
    /// The credentials are not accepted.
    LoginRefused = "MED-AUTH-002";
    /// The capability was revoked, or the session that it came from was closed.
    CapabilityRevoked = "MED-AUTH-003";
    /// The capability's time is over.
    CapabilityExpired = "MED-AUTH-004";
    /// The capability does not allow this call.
    CapabilityRefused = "MED-AUTH-005";
    /// The node, the connection or the entity has no room for more work now.
    Overloaded = "MED-NODE-001";
    /// The store stopped after a failed write or sync.
    StoreStopped = "MED-NODE-002";
    /// The disk is full.
    DiskFull = "MED-NODE-003";
    /// The data directory cannot be written.
    DataDirectoryReadOnly = "MED-NODE-004";
    /// Another process uses the data directory.
    DataDirectoryInUse = "MED-NODE-005";
    /// A listening address is taken.
    AddressInUse = "MED-NODE-006";
    /// Stored data are damaged.
    DataDamaged = "MED-NODE-007";
    /// The node is shutting down.
    ShuttingDown = "MED-NODE-008";
    /// Plain-text listeners were asked for without the development flag.
    TransportSecurityRequired = "MED-NODE-009";
    /// An entity failed while it handled the command and was restarted from the store.
    EntityFailed = "MED-NODE-010";
    /// A command id was used before with other content.
    CommandIdReused = "MED-NODE-011";
    /// The request took longer than its deadline; its outcome is unknown: ask again with the same
    /// id.
    DeadlineExceeded = "MED-NODE-012";
    /// The request is malformed.
    BadRequest = "MED-NODE-013";
    /// This node does not have the feature that was asked for.
    NotAvailable = "MED-NODE-014";
    /// The patient, device or facility is served by another node now; nothing was done.
    ShardMoved = "MED-NODE-015";
    /// The control plane refuses what an operator or a node asked for; the reason is given.
    ClusterRefused = "MED-CLUS-001";
    /// The control plane has no leader that a majority follows; nothing was done.
    ClusterNoQuorum = "MED-CLUS-002";
    /// The control plane did not answer in time; what was asked for may still be done.
    ClusterOutcomeUnknown = "MED-CLUS-003";
    /// The audit log does not verify.
    AuditBroken = "MED-AUD-001";
    /// A subscriber took too long to acknowledge; it can go on from its last position.
    SubscriberSlow = "MED-RPC-001";
    /// The caller cancelled the call.
    CallCancelled = "MED-RPC-002";
    /// The text of a query is wrong.
    QueryText = "MED-QRY-001";
    /// A query goes past a limit.
    QueryLimit = "MED-QRY-002";
    /// A query did not end in its time.
    QueryTooLong = "MED-QRY-003";
    /// There is no such quarantined item.
    QuarantineUnknown = "MED-QUAR-001";
}

impl std::fmt::Display for ErrorCode {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl ErrorCode {
    /// The code of its text form.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == text)
    }
}

impl Serialize for ErrorCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for ErrorCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        Self::from_text(&text).ok_or_else(|| D::Error::custom("unknown error code"))
    }
}
