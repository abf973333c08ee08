//! What consumers say about businesses.

use tonic::{Request, Response, Status};
use waxseal_protocol::proto::reports_server::Reports;
use waxseal_protocol::proto::{ReportSpamRequest, ReportSpamResponse, SpamReason};

use super::Service;
use crate::number::Number;
use crate::status;
use crate::writer::Job;

#[tonic::async_trait]
impl Reports for Service {
    async fn report_spam(&self, request: Request<ReportSpamRequest>) -> Result<Response<ReportSpamResponse>, Status> {
        let caller = self.authenticate(&request)?;
        let request = request.into_inner();
        let business = Number::parse(&request.number).ok_or_else(|| status::invalid("number"))?;
        let reason = SpamReason::try_from(request.reason)
            .ok()
            .filter(|reason| *reason != SpamReason::Unspecified);
        let reason = reason.ok_or_else(|| status::invalid("reason"))?;
        // Businesses would report each other.
        if caller.is_business {
            return Err(status::invalid("only consumers report"));
        }
        self.allow_report(caller.number)?;
        let counted = self
            .ask(|reply| Job::Report {
                consumer: caller.number,
                business,
                reason,
                reply,
            })
            .await??;
        Ok(Response::new(ReportSpamResponse { counted }))
    }
}

impl Service {
    fn allow_report(&self, consumer: Number) -> Result<(), Status> {
        let mut limiter = self.limiter();
        let token = limiter.reports.check(consumer, self.shared.limits.reports, self.shared.now_us());
        limiter.reports.take(token.map_err(status::too_often)?);
        Ok(())
    }
}
