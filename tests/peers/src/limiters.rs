//! The limiters of Rust users: two scripts in Redis, and limitador in process.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use limitador::RateLimiter;
use limitador::limit::Limit;
use redis::Script;
use redis::aio::MultiplexedConnection;

use crate::redis_server::RedisServer;

/// Says yes, or how long to wait.
pub trait Limiter: Clone + Send + 'static {
    fn name(&self) -> &'static str;

    fn ask(&self) -> impl Future<Output = anyhow::Result<Option<Duration>>> + Send;

    /// Asks until it says yes, at most 20 ms apart.
    fn wait_for(&self) -> impl Future<Output = anyhow::Result<()>> + Send
    where
        Self: Sync,
    {
        async {
            while let Some(wait) = self.ask().await? {
                tokio::time::sleep(wait.min(Duration::from_millis(20))).await;
            }
            Ok(())
        }
    }
}

/// One member a decision, in a sorted set by time.
#[derive(Clone)]
pub struct SlidingLog {
    redis: MultiplexedConnection,
    script: Arc<Script>,
    limit: u64,
    window: Duration,
    member: Arc<AtomicU64>,
}

const SLIDING_LOG: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2])
if redis.call('ZCARD', KEYS[1]) < tonumber(ARGV[1]) then
  redis.call('ZADD', KEYS[1], now, ARGV[3])
  redis.call('PEXPIRE', KEYS[1], math.ceil(ARGV[2] / 1000))
  return 0
end
local oldest = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
return math.max(1, oldest[2] + ARGV[2] - now)";

impl SlidingLog {
    pub async fn new(redis: &RedisServer, limit: u64, window: Duration) -> anyhow::Result<SlidingLog> {
        Ok(SlidingLog {
            redis: redis.connect().await?,
            script: Arc::new(Script::new(SLIDING_LOG)),
            limit,
            window,
            member: Arc::default(),
        })
    }
}

impl Limiter for SlidingLog {
    fn name(&self) -> &'static str {
        "redis sliding log"
    }

    async fn ask(&self) -> anyhow::Result<Option<Duration>> {
        let wait: u64 = self
            .script
            .key(format!("log-{}", self.limit))
            .arg(self.limit)
            .arg(self.window.as_micros() as u64)
            .arg(self.member.fetch_add(1, Ordering::Relaxed))
            .invoke_async(&mut self.redis.clone())
            .await?;
        Ok((wait > 0).then(|| Duration::from_micros(wait)))
    }
}

/// The theoretical arrival time, and nothing else.
#[derive(Clone)]
pub struct Gcra {
    redis: MultiplexedConnection,
    script: Arc<Script>,
    spacing_us: f64,
    burst: u64,
}

const GCRA: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local spacing, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local due = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now)
local early = due + spacing - burst * spacing - now
if early > 0 then return math.ceil(early) end
redis.call('SET', KEYS[1], due + spacing, 'PX', math.ceil((due + spacing - now) / 1000) + 1)
return 0";

impl Gcra {
    pub async fn new(redis: &RedisServer, limit: u64, burst: u64, window: Duration) -> anyhow::Result<Gcra> {
        Ok(Gcra {
            redis: redis.connect().await?,
            script: Arc::new(Script::new(GCRA)),
            spacing_us: window.as_micros() as f64 / limit as f64,
            burst,
        })
    }
}

impl Limiter for Gcra {
    fn name(&self) -> &'static str {
        if self.burst == 1 {
            "redis gcra, burst 1"
        } else {
            "redis gcra"
        }
    }

    async fn ask(&self) -> anyhow::Result<Option<Duration>> {
        let wait: u64 = self
            .script
            .key(format!("gcra-{}", self.burst))
            .arg(self.spacing_us)
            .arg(self.burst)
            .invoke_async(&mut self.redis.clone())
            .await?;
        Ok((wait > 0).then(|| Duration::from_micros(wait)))
    }
}

/// Fixed windows in this process. Forgets everything when it ends.
#[derive(Clone)]
pub struct InProcess {
    limiter: Arc<RateLimiter>,
}

impl InProcess {
    pub fn new(limit: u64, window: Duration) -> anyhow::Result<InProcess> {
        let limiter = RateLimiter::new(100);
        limiter.add_limit(Limit::new("peers", limit, window.as_secs(), vec![], vec![]));
        Ok(InProcess {
            limiter: Arc::new(limiter),
        })
    }

    pub fn decide(&self) -> anyhow::Result<bool> {
        let context = limitador::limit::Context::default();
        let checked = self
            .limiter
            .check_rate_limited_and_update(&"peers".into(), &context, 1)
            .map_err(|error| anyhow::anyhow!("{error}"))?;
        Ok(!checked.limited)
    }
}

impl Limiter for InProcess {
    fn name(&self) -> &'static str {
        "limitador in process"
    }

    async fn ask(&self) -> anyhow::Result<Option<Duration>> {
        Ok((!self.decide()?).then(|| Duration::from_millis(20)))
    }
}
