//! What the tests against a real API server and a real node share.
