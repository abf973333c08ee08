//! One contract, run against both backends.

mod crowds;
mod expiry;
mod lanes;
mod queues;
mod values;

use waxseal_store::{Durability, Options};

macro_rules! contract {
    ($($module:ident: $($name:ident),+;)*) => {
        mod redis {
            $($(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$module::$name(crate::fixture::Kind::Redis).await;
            })+)*
        }
        mod embedded {
            $($(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$module::$name(crate::fixture::Kind::Embedded).await;
            })+)*
        }
    };
}

contract!(
    values:
        values_are_put_and_deleted,
        any_bytes_are_kept,
        an_absent_guard_lets_one_through,
        guards_refuse_the_whole_batch,
        a_batch_without_a_proper_ttl_is_refused,
        an_agenda_is_read_in_order_of_time;
    lanes:
        a_fence_lets_each_step_through_once,
        a_claim_shuts_the_old_owner_out,
        claims_are_never_equal,
        a_lane_may_have_many_batches_under_way;
    queues:
        a_queue_keeps_its_order,
        entry_ids_are_never_used_twice;
    expiry:
        values_and_agendas_expire,
        entries_expire_one_by_one,
        a_lane_that_nobody_used_is_forgotten,
        erasing_takes_one_number_only,
        a_census_counts_and_sees_expiries;
    crowds:
        crowds_are_committed_exactly_once,
        too_much_at_once_is_refused_and_nothing_is_half_done,
        a_closed_store_says_so;
);

fn small() -> Options {
    Options {
        durability: Durability::Memory,
        ..Options::default()
    }
}
