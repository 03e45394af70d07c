//! Which path has which answer.

use std::net::IpAddr;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};

use super::Http;
use super::page::Part;

const TEXT: &str = "text/plain; charset=utf-8";
/// The text form of Prometheus.
const FIGURES: &str = "text/plain; version=0.0.4; charset=utf-8";

impl Http {
    /// The answer to a request, whose body nobody reads.
    pub(super) async fn answer<B>(&self, request: &Request<B>, peer: IpAddr) -> Response<Full<Bytes>> {
        // RFC 9110 section 9.1: these two are what every server has to know.
        if ![Method::GET, Method::HEAD].contains(request.method()) {
            let mut refused = text(StatusCode::METHOD_NOT_ALLOWED, "GET and HEAD only\n");
            refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return refused;
        }
        match request.uri().path() {
            // Whoever can say so is alive: this runs where the sessions run.
            "/livez" => text(StatusCode::OK, "alive\n"),
            "/readyz" => match self.readiness.obstacle(self.service(), &self.draining).await {
                None => text(StatusCode::OK, "ready\n"),
                Some(why) => text(StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}\n")),
            },
            "/metrics" => match self.figures().await {
                Ok(figures) => of_type(FIGURES, StatusCode::OK, figures),
                Err(why) => text(StatusCode::INTERNAL_SERVER_ERROR, why),
            },
            path => match Part::at(path) {
                Some(part) => self.page(part, request.headers(), peer).await,
                None => nothing_there(),
            },
        }
    }
}

/// What is not there, or not for want of a token.
pub(super) fn nothing_there() -> Response<Full<Bytes>> {
    text(StatusCode::NOT_FOUND, "there are /livez, /readyz and /metrics\n")
}

pub(super) fn text(status: StatusCode, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    of_type(TEXT, status, text)
}

pub(super) fn of_type(content_type: &'static str, status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    // It is true now, and no longer.
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
