//! Drives: the admin pages, plain HTTP on the control executor (`--admin-port`):
//!
//! - `GET /metrics`: the numbers of all shards, as Prometheus scrapes them
//! - `GET /health`: 200 while the process is best left alone, also while it starts, and what is
//!   wrong; 503 when a restart is the cure: a shard is stuck, or the metadata log has failed
//! - `GET /ready`: 200 while all is served, else 503 and what is not
//! - `GET /config`: every setting of the first shard, in the form of a `server.properties`, with
//!   where each value comes from; above them what an ack means
//! - `GET /clients`: the newest metrics that clients have pushed (KIP-714), by client instance
//!
//! Nothing here can change anything, and there is no authentication: keep the port private.

use std::cell::OnceCell;
use std::convert::Infallible;
use std::fmt::Write;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{Either, join_all, select};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::rt::{Read, ReadBufCursor, Write as WriteBytes};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};

use super::client_metrics;
use super::guarantee;
use super::guests::{Guest, Guests};
use super::health::Health;
use super::scrape::{Scrape, in_time};
use crate::base::config::{BrokerConfig, Described, Source};
use crate::base::faults::{self, Fault};
use crate::base::life::Life;
use crate::base::limits;
use crate::base::metrics::{SampleValue, Snapshot, to_prometheus};
use crate::base::seldom::Seldom;
use crate::base::version;
use crate::host::device::DeviceFacts;
use crate::io::cores::Task;
use crate::io::listener::Listener;
use crate::io::runtime::Runtime;
use crate::io::stream::Stream;
use crate::metadata::controller::Controller;
use crate::metadata::image::{Image, ResourceKind};
use crate::shard::mesh::ToShard;
use crate::shard::numbers::ClientNumbers;

/// What the pages tell about.
pub struct Admin {
    /// The control executor.
    pub runtime: Runtime,
    /// The settings that the broker was started with.
    pub config: Arc<BrokerConfig>,
    /// The controller, once it has loaded what the cluster is.
    pub controller: Rc<OnceCell<Controller>>,
    /// What lies under the data folders.
    pub devices: Vec<DeviceFacts>,
    /// The shards, in order.
    pub shards: Vec<ToShard>,
    /// How far the process is.
    pub life: Arc<Life>,
    /// What is kept from one scrape for the next.
    pub scrape: Scrape,
}

/// Serves the pages until the task is cancelled.
pub fn start(admin: Admin, listener: Listener) -> Task<()> {
    let runtime = admin.runtime.clone();
    runtime.spawn(accept(Rc::new(admin), listener))
}

async fn accept(admin: Rc<Admin>, listener: Listener) {
    let guests = Rc::new(Guests::default());
    let failures = Seldom::default();
    loop {
        let stream = match listener.accept().await {
            Ok(stream) => stream,
            Err(error) => {
                if let Some(times) = failures.happens(admin.runtime.now()) {
                    tracing::warn!(%error, times, "cannot accept an admin connection");
                }
                admin.runtime.sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let Some(guest) = guests.enter(stream.clone(), admin.runtime.now()).await else {
            stream.shutdown().await;
            continue;
        };
        let (admin, guests) = (admin.clone(), guests.clone());
        admin.runtime.clone().spawn(async move {
            serve(&admin, &guest).await;
            guests.leave(&guest);
            guest.stream.shutdown().await;
        });
    }
}

/// Serves one connection, and no longer than it may take: one that dawdles is closed.
async fn serve(admin: &Rc<Admin>, guest: &Rc<Guest>) {
    let service = service_fn(|request: Request<Incoming>| {
        let (admin, guest) = (admin.clone(), guest.clone());
        async move {
            guest.asks();
            let answer = admin.answer(request.method(), request.uri().path()).await;
            guest.is_answered(admin.runtime.now());
            Ok::<_, Infallible>(answer)
        }
    });
    let serving = http1::Builder::new()
        .max_buf_size(limits::ADMIN_REQUEST_BYTES_MAX)
        .serve_connection(Socket(guest.stream.clone()), service);
    let serving = std::pin::pin!(serving);
    let first = admin
        .runtime
        .sleep(Duration::from_millis(limits::ADMIN_FIRST_REQUEST_MS));
    let ended = match select(serving, std::pin::pin!(first)).await {
        Either::Left((ended, _)) => ended,
        Either::Right((_, serving)) if guest.has_asked() => {
            let rest = limits::ADMIN_CONNECTION_MAX_MS - limits::ADMIN_FIRST_REQUEST_MS;
            let life = admin.runtime.sleep(Duration::from_millis(rest));
            match select(serving, std::pin::pin!(life)).await {
                Either::Left((ended, _)) => ended,
                Either::Right(_) => return,
            }
        }
        Either::Right(_) => return,
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "an admin connection ended early");
    }
}

// === impl Admin ===

impl Admin {
    async fn answer(&self, method: &Method, path: &str) -> Response<Full<Bytes>> {
        if !matches!(*method, Method::GET | Method::HEAD) {
            let mut answer = page(
                StatusCode::METHOD_NOT_ALLOWED,
                "only GET is answered\n".into(),
            );
            answer
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return answer;
        }
        match path {
            "/metrics" => {
                let snapshots = self.snapshots().await;
                // Some milliseconds where there are many series: not for the controller's core.
                let text = self.runtime.blocking(move || to_prometheus(&snapshots));
                metrics(text.await)
            }
            "/health" => verdict(self.look().await.health()),
            "/ready" => verdict(self.look().await.ready()),
            "/config" => {
                let (config, image) = (self.settings(), self.image());
                let acks = guarantee::comments(&self.devices, &config, &image);
                page(StatusCode::OK, acks + &settings(&config.describe_broker(0)))
            }
            "/clients" => {
                let clients = self.clients().await;
                // Some megabytes where there are many: not for the controller's core.
                let text = self
                    .runtime
                    .blocking(move || client_metrics::page(&clients));
                page(StatusCode::OK, text.await)
            }
            _ => page(
                StatusCode::NOT_FOUND,
                "there are /metrics /health /ready /config /clients\n".into(),
            ),
        }
    }

    /// The numbers of every shard that answers, and this process's own.
    async fn snapshots(&self) -> Vec<Snapshot> {
        let mut own = Snapshot::default();
        let commit = version::COMMIT.unwrap_or("unknown").to_owned();
        let version = vec![("version", version::RELEASE.to_owned()), ("commit", commit)];
        own.push(
            "corelane_info",
            "Which build this is.",
            version,
            SampleValue::Gauge(1.0),
        );
        own.gauge(
            "corelane_shards",
            "Shards of this process.",
            self.shards.len() as f64,
        );
        let (config, image) = (self.settings(), self.image());
        guarantee::export(&self.devices, &config, &image, &mut own);
        faults::export(&self.control_faults(), true, &mut own);
        if let Some(controller) = self.controller.get() {
            controller.standing().export(&mut own);
        }
        self.scrape
            .export(&self.runtime, &config, &image, &self.shards, &mut own)
            .await;
        let shards = self.shards.iter();
        let asked = shards.map(|shard| in_time(&self.runtime, shard.metrics()));
        let answers = join_all(asked).await;
        let silent = answers.iter().filter(|answer| answer.is_none()).count();
        own.gauge(
            "corelane_shards_silent",
            "Shards that do not answer.",
            silent as f64,
        );
        std::iter::once(own)
            .chain(answers.into_iter().flatten())
            .collect()
    }

    /// What the clients of all shards that answer have pushed.
    async fn clients(&self) -> Vec<ClientNumbers> {
        let shards = self.shards.iter();
        let asked = shards.map(|shard| in_time(&self.runtime, shard.clients()));
        let answers = join_all(asked).await;
        answers.into_iter().flatten().flatten().collect()
    }

    /// What every executor says of itself.
    async fn look(&self) -> Health {
        let shards = self.shards.iter();
        let asked = shards.map(|shard| in_time(&self.runtime, shard.faults()));
        let answers = join_all(asked);
        let nodes = (0..self.shards.len()).map(|shard| self.config.node_id(shard));
        Health {
            shards: nodes.zip(answers.await).collect(),
            stage: self.life.stage(),
            control: self.control_faults(),
            cluster: self.controller.get().and_then(|it| it.standing().line()),
            now: self.runtime.wall_ms(),
        }
    }

    fn control_faults(&self) -> Vec<Fault> {
        let controller = self.controller.get();
        controller.map_or(Vec::new(), |it| it.faults(self.runtime.wall_ms()))
    }

    /// The cluster as it is now; empty before it is loaded.
    fn image(&self) -> Arc<Image> {
        let controller = self.controller.get();
        controller.map_or(Arc::default(), |it| it.image())
    }

    /// The first shard's settings as they are now.
    fn settings(&self) -> BrokerConfig {
        let (config, image) = (&self.config, self.image());
        let node = config.node_id(0).to_string();
        let own = image.configs.of(ResourceKind::Broker, &node);
        config.with_dynamic(image.configs.all_brokers(), own)
    }
}

fn verdict((good, text): (bool, String)) -> Response<Full<Bytes>> {
    let status = match good {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    page(status, text)
}

fn page(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(Bytes::from(text)));
    *answer.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    answer.headers_mut().insert(CONTENT_TYPE, plain);
    answer
}

fn metrics(text: String) -> Response<Full<Bytes>> {
    let mut answer = page(StatusCode::OK, text);
    let exposition = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    answer.headers_mut().insert(CONTENT_TYPE, exposition);
    answer
}

/// Settings in the form of a file, by name; secrets and what is not set stand as comments.
fn settings(all: &[Described]) -> String {
    let mut all: Vec<&Described> = all.iter().collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    let mut text = String::new();
    for one in all {
        let source = match one.source {
            Source::Default => "default",
            Source::StaticBroker => "file, flag or formatting",
            Source::DynamicDefaultBroker => "changed for all nodes",
            Source::DynamicBroker => "changed for this node",
            Source::Topic | Source::Group | Source::ClientMetrics | Source::DynamicBrokerLogger => {
                "override"
            }
        };
        // Writing to a string cannot fail.
        let _ = match &one.value {
            Some(value) => writeln!(text, "# {source}\n{}={}", one.name, escaped(value)),
            None if one.source != Source::Default => {
                writeln!(text, "# {} is hidden ({source})", one.name)
            }
            None => writeln!(text, "# {} is not set", one.name),
        };
    }
    text
}

fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('\n', "\\n")
        .replace('\r', "\\r")
}

/// A stream as hyper wants it.
struct Socket(Stream);

/// What is read at a time, in bytes; requests for these pages are shorter.
const READ_BYTES: usize = 2048;

impl Read for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut to: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let mut bytes = [0; READ_BYTES];
        let count = to.remaining().min(READ_BYTES);
        let read = ready!(self.0.poll_read(cx, &mut bytes[..count]))?;
        to.put_slice(&bytes[..read]);
        Poll::Ready(Ok(()))
    }
}

impl WriteBytes for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.0.poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::config::{ConfigFile, Flags, HostFacts, load};

    #[test]
    fn settings_read_like_a_file_and_load_again() {
        let host = HostFacts::of_cores(2);
        let flags = Flags {
            port: Some(19092),
            ..Flags::default()
        };
        let config = load(None, &flags, &host).expect("good flags");
        let jaas = [("sasl.jaas.config".to_owned(), "hunter2".to_owned())];
        let config = config.with_dynamic(&Default::default(), &jaas.into());
        let text = settings(&config.describe_broker(0));
        assert!(
            text.contains("# file, flag or formatting\nlisteners=PLAINTEXT://127.0.0.1:19092\n")
        );
        assert!(text.contains("# default\nnum.partitions=1\n"));
        assert!(text.contains("# log.retention.ms is not set\n"));
        assert!(text.contains("# sasl.jaas.config is hidden (changed for this node)\n"));
        assert!(!text.contains("hunter2"));
        let name = "f";
        let again = load(
            Some(ConfigFile { name, text: &text }),
            &Flags::default(),
            &host,
        );
        let again = again.expect("what is shown can be loaded");
        assert_eq!(again.listener, config.listener);
        assert_eq!(again.topic_defaults, config.topic_defaults);
    }

    #[test]
    fn lines_in_a_value_stay_one_line() {
        assert_eq!(escaped("a\\b\nc"), "a\\\\b\\nc");
    }
}
