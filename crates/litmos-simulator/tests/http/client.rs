//! A client that decides nothing: it sends, and hands back what came.

use std::sync::Once;
use std::time::Duration;

use litmos_simulator::{Running, Settings, Simulator};
use reqwest::{Client, Method};
use serde_json::{Value, json};

/// Far above what any test here needs, so that a hang fails instead of hanging.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Litmos {
    pub(crate) running: Running,
    pub(crate) http: Client,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) reason: Option<String>,
    pub(crate) content_type: String,
    pub(crate) retry_after: Option<String>,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub(crate) fn items(&self) -> Vec<Value> {
        assert_eq!(self.status, 200, "{}", self.text);
        self.json().as_array().expect("a list").clone()
    }

    /// The texts of one field over a list.
    pub(crate) fn column(&self, field: &str) -> Vec<String> {
        self.items()
            .iter()
            .map(|item| item[field].as_str().expect("a text").to_owned())
            .collect()
    }

    pub(crate) fn id(&self) -> String {
        self.json()["Id"]
            .as_str()
            .expect("a record with an Id")
            .to_owned()
    }

    /// Asserts a refusal in Litmos's form and gives its words.
    pub(crate) fn detail(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", self.text);
        assert_eq!(self.content_type, "application/json");
        let detail = self.json()["Detail"].as_str().expect("a Detail").to_owned();
        assert_eq!(
            self.reason.as_deref(),
            Some(detail.as_str()),
            "the reason phrase repeats the detail"
        );
        detail
    }
}

pub(crate) async fn litmos() -> Litmos {
    litmos_with(Settings {
        bulk_delay: Duration::ZERO,
        limit: 10_000,
        ..Settings::default()
    })
    .await
}

pub(crate) async fn litmos_in_mode(modes: &[&str]) -> Litmos {
    let litmos = litmos().await;
    for mode in modes {
        let (name, value) = mode.split_once('=').unwrap();
        litmos.running.set_mode(name, value).unwrap();
    }
    litmos
}

pub(crate) async fn litmos_with(settings: Settings) -> Litmos {
    static CRYPTO: Once = Once::new();
    CRYPTO.call_once(|| {
        rustls::crypto::ring::default_provider()
            .install_default()
            .unwrap();
    });
    let running = Simulator::start(settings).await.unwrap();
    Litmos {
        running,
        http: Client::builder().timeout(PATIENCE).build().unwrap(),
    }
}

impl Litmos {
    fn url(&self, path: &str) -> String {
        let joint = if path.contains('?') { '&' } else { '?' };
        format!(
            "{}/v1.svc{path}{joint}source=tests&format=json",
            self.running.base_url()
        )
    }

    pub(crate) async fn send_raw(&self, request: reqwest::RequestBuilder) -> Result<Answer, reqwest::Error> {
        let response = request.send().await?;
        let header = |name: &str| {
            response
                .headers()
                .get(name)
                .map(|value| value.to_str().unwrap().to_owned())
        };
        let (content_type, retry_after) = (header("content-type").unwrap_or_default(), header("retry-after"));
        let reason = response
            .extensions()
            .get::<hyper::ext::ReasonPhrase>()
            .map(|reason| String::from_utf8_lossy(reason.as_bytes()).into_owned());
        let status = response.status().as_u16();
        Ok(Answer {
            status,
            reason,
            content_type,
            retry_after,
            text: response.text().await?,
        })
    }

    pub(crate) async fn try_send(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<Answer, reqwest::Error> {
        let mut request = self
            .http
            .request(method, self.url(path))
            .header("apikey", self.running.api_key());
        if let Some(body) = body {
            request = request.json(&body);
        }
        self.send_raw(request).await
    }

    /// Sends what a foreign client sends: nothing is added to target and headers but the host.
    pub(crate) async fn exactly(
        &self,
        method: Method,
        target: &str,
        headers: &[(&str, &str)],
        body: Option<&str>,
    ) -> Answer {
        let url = format!("{}{target}", self.running.base_url());
        let mut request = self.http.request(method, url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.body(body.to_owned());
        }
        self.send_raw(request).await.unwrap()
    }

    /// Sends an XML body and does not say which format the answer should have.
    pub(crate) async fn xml(&self, method: Method, path: &str, content_type: &str, body: &str) -> Answer {
        let joint = if path.contains('?') { '&' } else { '?' };
        let target = format!("/v1.svc{path}{joint}source=tests");
        let headers = [("apikey", self.running.api_key()), ("content-type", content_type)];
        self.exactly(method, &target, &headers, Some(body)).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.try_send(Method::GET, path, None).await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.try_send(Method::POST, path, Some(body)).await.unwrap()
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        self.try_send(Method::PUT, path, Some(body)).await.unwrap()
    }

    pub(crate) async fn bare(&self, method: Method, path: &str) -> Answer {
        self.try_send(method, path, None).await.unwrap()
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.bare(Method::DELETE, path).await
    }

    /// Creates a user and gives the id.
    pub(crate) async fn user(&self, user_name: &str) -> String {
        let answer = self.post("/users", user(user_name)).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer.id()
    }

    /// Creates a team and gives the id.
    pub(crate) async fn team(&self, name: &str) -> String {
        let answer = self.post("/teams", team(name)).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer.id()
    }

    /// What the requests so far changed, in order.
    pub(crate) fn effects(&self) -> Vec<String> {
        let lines = self.running.log();
        lines.into_iter().filter_map(|line| line.effect).collect()
    }

    pub(crate) async fn record(&self, id: &str) -> Value {
        let answer = self.get(&format!("/users/{id}")).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()
    }
}

/// The texts of one element, in order; nested elements come as they are.
pub(crate) fn elements<'t>(text: &'t str, name: &str) -> Vec<&'t str> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    text.split(open.as_str())
        .skip(1)
        .map(|rest| rest.split(close.as_str()).next().unwrap())
        .collect()
}

/// The only text of one element.
pub(crate) fn element<'t>(text: &'t str, name: &str) -> &'t str {
    let all = elements(text, name);
    assert_eq!(all.len(), 1, "{name} in {text}");
    all[0]
}

/// The body of a create, with what is mandatory.
pub(crate) fn user(user_name: &str) -> Value {
    let email = if user_name.contains('@') {
        user_name.to_owned()
    } else {
        format!("{user_name}@corp.example")
    };
    json!({
        "Id": "", "UserName": user_name, "FirstName": "Mira", "LastName": "Lund", "FullName": "",
        "Email": email, "AccessLevel": "Learner", "DisableMessages": true,
        "Active": true, "LastLogin": "", "LoginKey": "", "IsCustomUsername": true, "SkipFirstLogin": true,
        "TimeZone": "UTC",
    })
}

pub(crate) fn team(name: &str) -> Value {
    json!({ "Id": "", "Name": name, "Description": "", "ParentTeamId": "" })
}

/// `record` with some fields set.
pub(crate) fn with(mut record: Value, changes: Value) -> Value {
    let Value::Object(changes) = changes else {
        panic!("changes are an object: {changes}")
    };
    for (name, value) in changes {
        record[name.as_str()] = value;
    }
    record
}
