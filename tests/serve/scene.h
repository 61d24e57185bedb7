// Scene: the server, between an origin on loopback that a test scripts and clients that say what it likes.
// Threads: a test's. Blocks: as Client. Errors: a failed REQUIRE. Cost: none worth naming. Lifetime: a test's.
#pragma once

#include <strandline/origin/http/http_origin.h>
#include <strandline/serve/rules/offline.h>
#include <strandline/serve/server.h>
#include <tests/serve/client.h>
#include <tests/support/http/served_object.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <sstream>
#include <string>

namespace strandline::testing {

struct Scene {
  // `give_up`: how long an origin that fails is asked again.
  explicit Scene(serve::ServerOptions options = {}, fill::Seconds give_up = fill::Seconds(0.2)) {
    start(std::move(options), give_up);
  }
  // Another process, as far as it knows; of the one before only the store is left.
  void restart(serve::ServerOptions options = {}) {
    server.reset();
    start(std::move(options), fill::Seconds(0.2));
  }
  [[nodiscard]] store::Store store(const store::StoreOptions& options = {}) const {
    return required(store::Store::open((directory.path() / "store").native(), options));
  }
  // With another store.
  void restart(serve::ServerOptions options, const store::StoreOptions& kept_by, fill::Seconds give_up) {
    server.reset();
    start(std::move(options), give_up, kept_by);
  }
  void start(serve::ServerOptions options, fill::Seconds give_up, const store::StoreOptions& kept_by = {}) {
    options.pseudonym = "this-one";
    std::shared_ptr<origin::Origin> behind = required(origin::HttpOrigin::open({.via = "1.1 " + options.pseudonym}));
    if (options.objects.offline) {
      behind = std::make_shared<serve::OfflineOrigin>(std::move(behind));
    }
    options.mounts.push_back({.origin = std::move(behind), .base = origin.url("/"), .name = origin.url("/")});
    fill::FillerOptions filling;
    filling.retry.give_up = give_up;
    filling.retry.longest = fill::Seconds(0.05);
    filler = std::make_shared<fill::Filler>(required(fill::Filler::create(filling)));
    server.emplace(required(serve::Server::start(store(kept_by), filler, std::move(options))));
  }
  std::shared_ptr<ServedObject> object(ObjectSettings settings) {
    auto made = ServedObject::make(std::move(settings));
    origin.on("/a", made->script());
    return made;
  }
  // "hello world" at /live, whose length its end tells; its second half once this is open.
  void serve_live(const Gate* half = nullptr) {
    origin.on("/live", [half](HttpExchange& exchange) {
      if (exchange.request().method == "HEAD") {
        exchange.head(200, {"ETag: \"x\""});
        exchange.close();
        return;
      }
      exchange.head(200, {"ETag: \"x\"", "Transfer-Encoding: chunked"});
      exchange.send("5\r\nhello\r\n");
      if (half != nullptr && !exchange.wait(*half)) {
        return;
      }
      exchange.send("6\r\n world\r\n0\r\n\r\n");
    });
  }
  [[nodiscard]] Client client() const { return Client(server->port()); }

  TempDir directory;
  HttpServer origin;
  std::shared_ptr<fill::Filler> filler;  // the server's
  std::optional<serve::Server> server;
};

inline std::string text(std::uint64_t version, ByteRange range) {
  const auto bytes = strandline::testing::content(version, range);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

inline std::string text_of(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace strandline::testing
