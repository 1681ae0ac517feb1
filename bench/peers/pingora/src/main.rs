// SPDX-License-Identifier: Apache-2.0
//! The least proxy that the Pingora crates allow: every request goes to one origin, over Pingora's own pool.
//!
//! usage: pingora-peer PORT ORIGIN_PORT CONF.yaml

use async_trait::async_trait;
use pingora_core::server::configuration::{Opt, ServerConf};
use pingora_core::server::Server;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_core::Result;
use pingora_proxy::{http_proxy_service, ProxyHttp, Session};

struct Proxy {
    origin: String,
}

#[async_trait]
impl ProxyHttp for Proxy {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _session: &mut Session, _ctx: &mut ()) -> Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(self.origin.as_str(), false, String::new())))
    }
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    if args.len() != 4 {
        eprintln!("usage: pingora-peer PORT ORIGIN_PORT CONF.yaml");
        std::process::exit(2);
    }
    let conf = ServerConf::load_from_yaml(&args[3]).expect("the configuration file");
    let mut server = Server::new_with_opt_and_conf(Some(Opt::default()), conf);
    server.bootstrap();
    let proxy = Proxy { origin: format!("127.0.0.1:{}", args[2]) };
    let mut service = http_proxy_service(&server.configuration, proxy);
    service.add_tcp(&format!("127.0.0.1:{}", args[1]));
    server.add_service(service);
    server.run_forever();
}
