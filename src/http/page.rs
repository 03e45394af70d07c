//! The status page for people: three files, and what they ask for again and again, as JSON.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::Arc;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{
    CONTENT_SECURITY_POLICY, HeaderMap, HeaderName, HeaderValue, REFERRER_POLICY, RETRY_AFTER, WWW_AUTHENTICATE,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use hyper::{Response, StatusCode};
use serde::Serialize;

use super::Http;
use super::answer::{nothing_there, of_type, text};
use super::token::Stop;
use crate::blocking::off_reactor;
use crate::limits::one_address;
use crate::observe::{max_files, open_files};
use crate::path::is_misleading;
use crate::session::{NewsSeen, Overview, Seen, Service, TICK};

/// The most sessions that are told of, those with a transfer first. A page is no place for thousands.
const SESSIONS: usize = 200;
/// What all parts say: nothing is loaded from elsewhere, nothing is run that stands in the page, nobody frames it.
const HEADERS: [(HeaderName, &str); 5] = [
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'",
    ),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    (REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// A part of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Html,
    Css,
    Script,
    Json,
}

impl Part {
    /// The part at this path.
    pub(super) fn at(path: &str) -> Option<Self> {
        match path {
            "/" => Some(Self::Html),
            "/page.css" => Some(Self::Css),
            "/page.js" => Some(Self::Script),
            "/status.json" => Some(Self::Json),
            _ => None,
        }
    }
}

/// What the page shows.
#[derive(Serialize)]
struct Status {
    server: Overview,
    /// Why no clients should be sent here.
    obstacle: Option<String>,
    limits: Vec<Limit>,
    sessions: Vec<Seen>,
    /// How many more there are.
    more: usize,
    news: Vec<NewsSeen>,
    history: History,
}

/// How full something is.
#[derive(Serialize)]
struct Limit {
    name: &'static str,
    /// The setting that bounds it.
    setting: &'static str,
    used: u64,
    /// None where there is no limit.
    most: Option<u64>,
    /// Whether these are bytes a second.
    is_rate: bool,
}

/// Bytes of each tick, the oldest first.
#[derive(Serialize)]
struct History {
    /// In seconds.
    tick: u64,
    uploaded: Vec<u64>,
    downloaded: Vec<u64>,
}

impl Http {
    /// A part of the page, for those who know the token. Where there is none, there is no page.
    pub(super) async fn page(&self, part: Part, headers: &HeaderMap, peer: IpAddr) -> Response<Full<Bytes>> {
        let service = self.service();
        if service.settings.http_token.is_empty() {
            return nothing_there();
        }
        let mut response = match self.doorkeeper.admit(&service.settings.http_token, headers, peer).await {
            Ok(()) => self.part(part, service).await,
            Err(why) => refused(why),
        };
        for (name, value) in HEADERS {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response
    }

    async fn part(&self, part: Part, service: Arc<Service>) -> Response<Full<Bytes>> {
        match part {
            Part::Html => of_type("text/html; charset=utf-8", StatusCode::OK, include_str!("page.html")),
            Part::Css => of_type("text/css; charset=utf-8", StatusCode::OK, include_str!("page.css")),
            Part::Script => of_type("text/javascript; charset=utf-8", StatusCode::OK, include_str!("page.js")),
            Part::Json => match serde_json::to_string(&self.status(service).await) {
                Ok(json) => of_type("application/json", StatusCode::OK, json),
                Err(why) => text(StatusCode::INTERNAL_SERVER_ERROR, why.to_string()),
            },
        }
    }

    async fn status(&self, service: Arc<Service>) -> Status {
        let obstacle = self.readiness.obstacle(Arc::clone(&service), &self.draining).await;
        let files = off_reactor(open_files).await;
        let mut sessions = service.board.sessions();
        let server = Overview::of(&service, &sessions, self.draining.is_cancelled());
        let limits = limits(&service, &server, &sessions, files);
        sessions.sort_by_key(|seen| (seen.transfer.is_none(), seen.session));
        let more = sessions.len().saturating_sub(SESSIONS);
        sessions.truncate(SESSIONS);
        for work in sessions.iter_mut().filter_map(|seen| seen.transfer.as_mut()) {
            work.path = work.path.replace(is_misleading, "\u{fffd}");
        }
        let ticks = service.board.history();
        let history = History {
            tick: TICK.as_secs(),
            uploaded: ticks.iter().map(|moved| moved.uploaded).collect(),
            downloaded: ticks.iter().map(|moved| moved.downloaded).collect(),
        };
        Status { server, obstacle, limits, sessions, more, news: service.board.news(), history }
    }
}

fn refused(why: Stop) -> Response<Full<Bytes>> {
    let (status, header, value, words) = match why {
        Stop::Unknown => (
            StatusCode::UNAUTHORIZED,
            WWW_AUTHENTICATE,
            "Basic realm=\"longshore\", charset=\"UTF-8\"".to_owned(),
            "the password is http_token, with any name\n".to_owned(),
        ),
        Stop::Later(seconds) => (
            StatusCode::TOO_MANY_REQUESTS,
            RETRY_AFTER,
            seconds.to_string(),
            format!("too many wrong tokens from this address, try again in {seconds} s\n"),
        ),
    };
    let mut response = text(status, words);
    if let Ok(value) = HeaderValue::try_from(value) {
        response.headers_mut().insert(header, value);
    }
    response
}

fn limits(service: &Service, server: &Overview, sessions: &[Seen], files: Option<usize>) -> Vec<Limit> {
    let settings = &service.settings;
    let limit = |name, setting, used, most| Limit { name, setting, used, most, is_rate: false };
    let rate = |name, setting, used, most| Limit { name, setting, used, most, is_rate: true };
    let address = largest(sessions.iter().map(|seen| one_address(seen.peer.ip())));
    let user = largest(sessions.iter().filter_map(|seen| seen.user.as_ref()));
    let mut limits = vec![
        limit("sessions", "max_cons", server.sessions.into(), server.max_sessions.map(u64::from)),
        limit("most from one address", "max_per_ip", address, settings.max_per_ip.limit().map(u64::from)),
        limit("most of one user", "max_per_user", user, settings.max_per_user.limit().map(u64::from)),
        limit("passive ports", "passive_ports", server.ports_used as u64, Some(server.ports as u64)),
    ];
    limits.extend(files.map(|open| limit("open files", "ulimit -n", open as u64, max_files())));
    let upload = settings.max_upload_total.limit();
    let download = settings.max_download_total.limit();
    limits.extend(upload.map(|most| rate("all uploads", "max_upload_total", server.upload_rate, Some(most.get()))));
    limits.extend(
        download.map(|most| rate("all downloads", "max_download_total", server.download_rate, Some(most.get()))),
    );
    limits
}

/// How often that is there which is there most often.
fn largest<T: Hash + Eq>(all: impl Iterator<Item = T>) -> u64 {
    let mut counts = HashMap::new();
    all.for_each(|one| *counts.entry(one).or_insert(0) += 1);
    counts.into_values().max().unwrap_or_default()
}
