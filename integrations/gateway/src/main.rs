//! The program: reads the options, listens, and prints the report when it is stopped.

use std::process::ExitCode;
use std::sync::Arc;

use bursar::clock::{Clock, SystemClock};
use bursar::ledger::Path;
use bursar::{Alert, Observer, ReserveError};
use bursar_gateway::{Gateway, Options};
use clap::Parser;
use tokio::net::TcpListener;
use tokio::signal;

/// Says on standard error what a person should know.
struct Voice;

impl Observer for Voice {
    fn on_refuse(&self, _account: &Path, error: &ReserveError) {
        eprintln!("refused: {error}");
    }

    fn on_alert(&self, alert: &Alert) {
        eprintln!("alert: {alert}");
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bursar-gateway: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: &Options) -> Result<(), Box<dyn std::error::Error>> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let budget = options.budget(clock, Voice)?;
    let gateway = Gateway::new(options, budget.clone())?;
    let listener = TcpListener::bind(options.listen).await?;
    let address = listener.local_addr()?;
    println!("OpenAI:    http://{address}/v1");
    println!("Anthropic: http://{address}");
    println!("report:    http://{address}/report.txt");
    axum::serve(listener, gateway.router()).with_graceful_shutdown(stopped()).await?;
    print!("{}", budget.report());
    Ok(())
}

/// Ends when the program is stopped; what is under way is answered first.
async fn stopped() {
    #[cfg(unix)]
    if let Ok(mut terminated) = signal::unix::signal(signal::unix::SignalKind::terminate()) {
        tokio::select! {
            _ = terminated.recv() => {}
            _ = signal::ctrl_c() => {}
        }
        return;
    }
    let _ = signal::ctrl_c().await;
}
