//! Drives: Metadata, versions 0 to 13 (KIP-4, KIP-430, KIP-516 topic ids).
//!
//! Where topics and nodes are, which every client asks before anything else. Naming a topic
//! that does not exist may create it (`auto.create.topics.enable`); the answer waits for that and
//! says what there is then (docs/decisions/0006).

mod answer;
mod asked;

use std::rc::Rc;

use bytes::BytesMut;

use answer::{Asker, answer, refused};
use asked::{Asked, asked, asks_for_all, memory_bytes};

use crate::base::limits;
use crate::server::api::{Api, Context};
use crate::server::state::codes::{ErrorCounts, codes};
use crate::server::state::shared_answers::{Recipe, SharedAnswer, SharedError, SharedKey};
use crate::shard::auto_create;
use crate::wire::codec::messages::{MetadataRequest, MetadataResponse};
use crate::wire::codec::{self, Request};

/// The API.
pub struct Metadata;

/// Topics that are looked up in one turn; where more are asked for it is done beside the core.
const NAMED_MAX: usize = 200;

codes!(MetadataResponse: [] [topics] [topics partitions]);

impl Api for Metadata {
    type Request = MetadataRequest;
    const VERSIONS: (i16, i16) = (0, 13);
    const NAME: &'static str = "Metadata";

    async fn shared(
        cx: &Context,
        request: &MetadataRequest,
    ) -> Option<Result<Rc<SharedAnswer>, SharedError>> {
        if !asks_for_all(request, cx.version) {
            return None;
        }
        let asker = Asker::of(cx, request);
        let key = SharedKey {
            api_key: MetadataRequest::KEY,
            version: cx.version,
            listener: asker.listener.clone(),
            flags: u8::from(asker.topic_operations) | u8::from(asker.cluster_operations) << 1,
        };
        let recipe = Recipe {
            asked: asker,
            cost: |image| memory_bytes(image.topics.iter()),
            make: |image, asker| {
                let mut body = BytesMut::new();
                let answer = answer(image, &Asked::All, asker);
                codec::encode(&answer, asker.version, &mut body)?;
                Ok((body.freeze(), ErrorCounts::of(&answer)))
            },
        };
        let shared = &cx.server.shared_answers;
        Some(shared.get(&cx.shard, key, recipe).await)
    }

    async fn handle(cx: &Context, request: MetadataRequest) -> MetadataResponse {
        let asker = Asker::of(cx, &request);
        let may_create = request.allow_auto_topic_creation && cx.shard.config().auto_create_topics;
        let is_long = request
            .topics
            .as_ref()
            .is_some_and(|it| it.len() > NAMED_MAX);
        let version = cx.version;
        let asked =
            move || asked(&request, version).map_err(|code| refused(&request, version, code));
        let asked = match is_long {
            true => cx.beside(asked).await,
            false => Some(asked()),
        };
        let asked = match asked {
            Some(Ok(asked)) => asked,
            Some(Err(refused)) => return refused,
            None => return MetadataResponse::default(),
        };
        if let (Asked::Names(names), true) = (&asked, may_create) {
            create_missing(cx, names).await;
        }
        // Only now: it has the topics that this request had created.
        let image = cx.image();
        if is_long {
            let cost = {
                let image = image.clone();
                cx.beside(move || (asked.memory_bytes(&image), asked)).await
            };
            let Some((cost, asked)) = cost else {
                return MetadataResponse::default();
            };
            if !cx.claim(cost).await {
                return MetadataResponse::default();
            }
            let answered = cx.beside(move || answer(&image, &asked, &asker)).await;
            return answered.unwrap_or_default();
        }
        let cost = asked.memory_bytes(&image);
        if !cx.claim(cost).await {
            return MetadataResponse::default();
        }
        match cost < limits::LARGE_ANSWER_BYTES {
            true => answer(&image, &asked, &asker),
            false => {
                let answered = cx.beside(move || answer(&image, &asked, &asker)).await;
                answered.unwrap_or_default()
            }
        }
    }
}

// === impl Asker ===

impl Asker {
    fn of(cx: &Context, request: &MetadataRequest) -> Asker {
        let version = cx.version;
        Asker {
            node: cx.shard.node,
            listener: cx.session.listener.clone(),
            version,
            topic_operations: version >= 8 && request.include_topic_authorized_operations,
            cluster_operations: (8..=10).contains(&version)
                && request.include_cluster_authorized_operations,
        }
    }
}

/// Has those of `names` created that there are not.
async fn create_missing(cx: &Context, names: &[String]) {
    let image = cx.image();
    let mut missing: Vec<&str> = Vec::new();
    for name in names {
        if image.topics.named(name).is_none() {
            missing.push(name);
        }
        // More are not begun at a time.
        if missing.len() >= limits::AUTO_CREATE_TOPICS_MAX {
            break;
        }
        cx.pace().await;
    }
    if !missing.is_empty() {
        auto_create::create(&cx.shard, &missing).await;
    }
}
