//! pusher
