//! Where requests go at the moment: to the number in this process, to another pod, or nowhere yet.
//!
//! Purpose: the one switch between the port, which is always open, and the number behind it, which moves. Whoever closes it knows when the
//! last request inside has been answered. Knows no HTTP.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::sync::watch;
use tokio_util::task::{TaskTracker, task_tracker::TaskTrackerToken};

use crate::{
    api::{Api, Engine},
    pod::ownership::Lease,
};

/// Where requests go.
enum Route<E> {
    /// Nowhere; `mine` while this process is about to take them.
    Nowhere { mine: bool },
    /// To the number in this process.
    Here(Inside<E>),
    /// To another pod.
    There(SocketAddr),
}

struct Inside<E> {
    api: Arc<Api<E>>,
    lease: Arc<Lease>,
    requests: TaskTracker,
}

/// A way for one request.
pub enum Way<E> {
    /// None now; `mine` while this process is about to take requests.
    None {
        /// See there.
        mine: bool,
    },
    /// The number in this process. To be held until the request is answered.
    Here(Arc<Api<E>>, TaskTrackerToken),
    /// Another pod.
    There(SocketAddr),
}

/// The switch.
pub struct Gate<E> {
    route: watch::Sender<Route<E>>,
}

impl<E: Engine> Default for Gate<E> {
    fn default() -> Self {
        Self {
            route: watch::Sender::new(Route::Nowhere { mine: false }),
        }
    }
}

impl<E: Engine> Gate<E> {
    /// Requests go to this number for as long as the lease holds, and wait while it does not.
    pub fn open(&self, api: Arc<Api<E>>, lease: Arc<Lease>) {
        let requests = TaskTracker::new();
        self.route.send_replace(Route::Here(Inside { api, lease, requests }));
    }

    /// Requests wait; `mine`: for this process.
    pub fn hold(&self, mine: bool) {
        self.route.send_if_modified(|route| {
            let is_new = !matches!(route, Route::Nowhere { mine: now } if *now == mine);
            if is_new {
                *route = Route::Nowhere { mine };
            }
            is_new
        });
    }

    /// Requests go to another pod.
    pub fn pass_on(&self, address: SocketAddr) {
        self.route.send_if_modified(|route| {
            let is_new = !matches!(route, Route::There(now) if *now == address);
            if is_new {
                *route = Route::There(address);
            }
            is_new
        });
    }

    /// Requests wait; ends when those that went to the number in this process have been answered, or when the time is over.
    pub async fn close(&self, mine: bool, patience: Duration) {
        let Route::Here(inside) = self.route.send_replace(Route::Nowhere { mine }) else {
            return;
        };
        inside.requests.close();
        if tokio::time::timeout(patience, inside.requests.wait()).await.is_err() {
            tracing::warn!("requests were still under way when the number stopped");
        }
    }

    /// Whether requests go to the number in this process.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(&*self.route.borrow(), Route::Here(_))
    }

    /// To see changes.
    #[must_use]
    pub fn watch(&self) -> Watch<E> {
        Watch(self.route.subscribe())
    }
}

/// Sees where requests go.
pub struct Watch<E>(watch::Receiver<Route<E>>);

impl<E: Engine> Watch<E> {
    /// The way now. The token is made while the route cannot change, so that whoever changes it knows of every request inside.
    pub fn way(&mut self) -> Way<E> {
        match &*self.0.borrow_and_update() {
            Route::Nowhere { mine } => Way::None { mine: *mine },
            Route::There(address) => Way::There(*address),
            Route::Here(inside) if inside.lease.holds() => Way::Here(Arc::clone(&inside.api), inside.requests.token()),
            Route::Here(_) => Way::None { mine: true },
        }
    }

    /// Ends when the way has changed since it was last seen; never, when it does not.
    pub async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
