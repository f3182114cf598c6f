//! Where ractor and its cluster crate are: the gateway actor, the only kind of actor that peers
//! can reach, and one host actor per session that stands in for the cluster crate's node server.
//!
//! We replace that server and not its sessions, because it accepts connections of its own, one
//! TLS handshake after the other, without a time limit, and elects between duplicates by names
//! that nobody proved. The sessions do the framing, the writing and the mirroring of gateways.

use super::id::PeerId;
use super::node::Node;
use super::stream::MeteredStream;
use ractor::message::{BoxedDowncastErr, SerializedMessage};
use ractor::registry::pid_registry;
use ractor::{Actor, ActorId, ActorProcessingErr, ActorRef, Message, SupervisionEvent};
use ractor_cluster::node::{NodeConnectionMode, SessionCheckReply};
use ractor_cluster::{
    ClusterBidiStream, NetworkStream, NodeServerMessage, NodeSession, NodeSessionMessage,
};
use std::sync::{Arc, OnceLock, Weak};
use tokio::sync::oneshot;

/// A batch for a gateway. The bytes are moved, and copied once into the cluster's frame.
pub(crate) struct GatewayMessage(pub(crate) Vec<u8>);

impl Message for GatewayMessage {
    fn serializable() -> bool {
        true
    }

    fn serialize(self) -> Result<SerializedMessage, BoxedDowncastErr> {
        Ok(SerializedMessage::Cast { variant: String::new(), args: self.0, metadata: None })
    }

    fn deserialize(message: SerializedMessage) -> Result<Self, BoxedDowncastErr> {
        match message {
            SerializedMessage::Cast { args, .. } => Ok(Self(args)),
            SerializedMessage::Call { .. } | SerializedMessage::CallReply(..) => {
                Err(BoxedDowncastErr)
            }
        }
    }
}

/// Takes the batches of all peers; one per network.
pub(crate) struct Gateway;

/// The network behind a gateway, once it exists.
pub(crate) type NodeSlot = Arc<OnceLock<Weak<Node>>>;

impl Actor for Gateway {
    type Msg = GatewayMessage;
    type State = NodeSlot;
    type Arguments = NodeSlot;

    async fn pre_start(
        &self,
        _myself: ActorRef<Self::Msg>,
        slot: NodeSlot,
    ) -> Result<Self::State, ActorProcessingErr> {
        Ok(slot)
    }

    async fn handle(
        &self,
        _myself: ActorRef<Self::Msg>,
        batch: Self::Msg,
        slot: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        if let Some(node) = slot.get().and_then(Weak::upgrade) {
            node.receive(&batch.0);
        }
        Ok(())
    }
}

/// Runs one session of the cluster crate.
pub(crate) struct SessionHost;

/// What a session of the cluster crate is started with.
pub(crate) struct HostStart {
    pub(crate) number: u64,
    pub(crate) own: PeerId,
    pub(crate) is_server: bool,
    /// Drawn from the secret of this connection: no other connection has it.
    pub(crate) cookie: String,
    pub(crate) stream: MeteredStream,
    pub(crate) frame_bytes_max: u64,
    /// The peer's gateway, as the peer named it.
    pub(crate) gateway: u64,
    /// Told when the peer's gateway can be reached; dropped when it cannot.
    pub(crate) ready: oneshot::Sender<ActorRef<GatewayMessage>>,
}

pub(crate) struct HostState {
    session: ActorRef<NodeSessionMessage>,
    gateway: ActorId,
    ready: Option<oneshot::Sender<ActorRef<GatewayMessage>>>,
}

impl HostState {
    /// The cluster session has exchanged its state, so the peer's gateway has its mirror here.
    fn become_ready(&mut self) {
        // Otherwise each entity that starts or stops anywhere in this process would send every
        // session a message. Our gateways are announced already, and no other actor is remotable.
        pid_registry::demonitor(self.session.get_id());
        let children = self.session.get_cell().get_children();
        let mirror = children.into_iter().find(|child| child.get_id() == self.gateway);
        if let (Some(ready), Some(mirror)) = (self.ready.take(), mirror) {
            drop(ready.send(mirror.into()));
        }
    }
}

impl Actor for SessionHost {
    type Msg = NodeServerMessage;
    type State = HostState;
    type Arguments = HostStart;

    async fn pre_start(
        &self,
        myself: ActorRef<Self::Msg>,
        start: HostStart,
    ) -> Result<Self::State, ActorProcessingErr> {
        // The name's type is private to the cluster crate; a message that holds one gives it to us.
        let holder = NodeServerMessage::UpdateSession {
            actor_id: myself.get_id(),
            name: Default::default(),
        };
        let NodeServerMessage::UpdateSession { mut name, .. } = holder else {
            return Err("no name".into());
        };
        name.name = start.own.certificate_name();
        name.connection_string.clone_from(&name.name);
        let mode = NodeConnectionMode::Isolated;
        let session = NodeSession::new(
            start.number,
            start.is_server,
            start.cookie,
            myself.clone(),
            name,
            mode,
        )
        .with_max_inbound_frame_size(start.frame_bytes_max);
        let (reader, writer) = Box::new(start.stream).split();
        let stream =
            NetworkStream::External { peer_label: None, local_label: None, reader, writer };
        let (session, _) = Actor::spawn_linked(None, session, stream, myself.get_cell()).await?;
        let gateway = ActorId::Remote { node_id: start.number, pid: start.gateway };
        Ok(HostState { session, gateway, ready: Some(start.ready) })
    }

    async fn handle(
        &self,
        _myself: ActorRef<Self::Msg>,
        message: Self::Msg,
        state: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            // Elections are held before a connection becomes a session; see `directory`.
            NodeServerMessage::CheckSession { reply, .. } => {
                drop(reply.send(SessionCheckReply::NoOtherConnection));
            }
            NodeServerMessage::ConnectionReady(_) => state.become_ready(),
            NodeServerMessage::GetSessions(reply) => drop(reply.send(Default::default())),
            NodeServerMessage::ConnectionOpened { .. }
            | NodeServerMessage::ConnectionOpenedExternal { .. }
            | NodeServerMessage::ConnectionAuthenticated(_)
            | NodeServerMessage::UpdateSession { .. }
            | NodeServerMessage::SubscribeToEvents { .. }
            | NodeServerMessage::UnsubscribeToEvents(_)
            | NodeServerMessage::PortChanged { .. } => {}
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<Self::Msg>,
        event: SupervisionEvent,
        _state: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        // The session is the only child.
        if matches!(
            event,
            SupervisionEvent::ActorTerminated(..) | SupervisionEvent::ActorFailed(..)
        ) {
            myself.stop(None);
        }
        Ok(())
    }
}
