#include "setup.h"

#include <strandline/origin/http/protocol/syntax.h>

#include <strandline/serve/http/request/authority.h>
#include <strandline/serve/http/request/via.h>
#include <strandline/serve/rules/offline.h>

#include <algorithm>
#include <charconv>
#include <tuple>
#include <utility>

#include "text_file.h"

namespace strandline::tool {
namespace {

// This process's, whenever it reads its configuration.
const std::string& pseudonym() {
  static const std::string name = serve::http::new_pseudonym();
  return name;
}

// "NAME=URL" or "URL".
Result<serve::Mount> mount_of(const std::string& text, const Places& places) {
  serve::Mount mount;
  auto [name, url] = origin_of(text);
  if (!name.empty()) {
    mount.prefix = "/" + name + "/";
    constexpr const char* kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    if (name.find_first_not_of(kPlain) != std::string::npos || mount.prefix == "/-/") {
      return fail(Errc::invalid_argument,
                  "--origin " + name + "=...: a name has letters, digits, '.', '_' and '-' only");
    }
  }
  if (!url.ends_with('/')) {
    url += '/';
  }
  auto place = places.find(url);
  if (!place) {
    return fail(std::move(place.error()));
  }
  if (place->key.find_first_of("?#") != std::string::npos && place->path.empty()) {
    return fail(Errc::invalid_argument, "--origin " + place->url + ": a place has no query");
  }
  mount.origin = std::move(place->origin);
  mount.base = place->key;
  mount.urls = place->path.empty();
  mount.name = mount.urls ? place->url : "file://" + place->path.native();
  for (std::string* text_of : {&mount.base, &mount.name}) {
    *text_of += text_of->ends_with('/') ? "" : "/";
  }
  return mount;
}

// "127.0.0.1:8080", "[::1]:8080".
Result<std::pair<std::string, std::uint16_t>> address_of(const std::string& text) {
  const auto colon = text.rfind(':');
  std::string address = colon == std::string::npos ? text : text.substr(0, colon);
  const std::string port = colon == std::string::npos ? "" : text.substr(colon + 1);
  if (address.starts_with('[') && address.ends_with(']')) {
    address = address.substr(1, address.size() - 2);
  }
  unsigned number = 0;
  const auto read = std::from_chars(port.data(), port.data() + port.size(), number);
  if (port.empty() || read.ec != std::errc() || read.ptr != port.data() + port.size() || number > 65535) {
    return fail(Errc::invalid_argument, "--listen " + text + ": ADDRESS:PORT is wanted, such as 127.0.0.1:8080");
  }
  return std::pair(address == "localhost" ? "127.0.0.1" : address, static_cast<std::uint16_t>(number));
}

Result<serve::Access> access_of(const ServeOptions& options) {
  serve::Access access;
  for (const std::string& name : options.host_names) {
    const auto authority = serve::http::parse_authority(name);
    if (!authority || authority->host.empty() || authority->port) {
      return fail(Errc::invalid_argument, "--host-name " + name + ": a name without a port is wanted");
    }
    access.hosts.push_back(authority->host);
  }
  if (options.token_file) {
    const auto text = read_text(*options.token_file, "--token-file", Readers::owner_and_group);
    if (!text) {
      return fail(text.error().clone());
    }
    auto tokens = serve::parse_tokens(*text, *options.token_file);
    if (!tokens) {
      return fail(std::move(tokens.error()));
    }
    access.tokens = std::move(*tokens);
  }
  return access;
}

// Null: connections are plain.
Result<std::shared_ptr<const serve::TlsContext>> tls_of(const ServeOptions& options) {
  if (!options.tls_cert && !options.tls_key && !options.tls_client_ca) {
    return nullptr;
  }
  if (!options.tls_cert || !options.tls_key) {
    return fail(Errc::invalid_argument, "--tls-cert and --tls-key are wanted both");
  }
  if (auto secret = read_text(*options.tls_key, "--tls-key", Readers::owner_and_group); !secret) {
    return fail(std::move(secret.error()));
  }
  return serve::TlsContext::open({*options.tls_cert, *options.tls_key, options.tls_client_ca.value_or("")});
}

Result<std::vector<serve::Mount>> mounts_of(const ServeOptions& options) {
  std::optional<std::vector<std::string>> hosts(std::in_place);
  for (const std::string& host : options.redirects_to) {
    hosts->push_back(origin::http::lower_case(host));
  }
  if (std::find(hosts->begin(), hosts->end(), "*") != hosts->end()) {
    hosts.reset();
  }
  const Places places{std::chrono::seconds(options.timeout), std::move(hosts), "1.1 " + pseudonym()};
  std::vector<serve::Mount> mounts;
  for (const std::string& origin : options.origins) {
    auto mount = mount_of(origin, places);
    if (!mount) {
      return fail(std::move(mount.error()));
    }
    for (const serve::Mount& other : mounts) {
      if (other.prefix == mount->prefix || other.name == mount->name) {
        // The same place twice would be one entry, though each may have a user of its own.
        const std::string what = other.prefix == mount->prefix ? mount->prefix : mount->name;
        return fail(Errc::invalid_argument, "--origin: two of them at " + what);
      }
    }
    if (options.offline) {
      mount->origin = std::make_shared<serve::OfflineOrigin>(std::move(mount->origin));
    }
    mounts.push_back(std::move(*mount));
  }
  return mounts;
}

}  // namespace

Result<serve::ServerOptions> server_options(const ServeOptions& options) {
  serve::ServerOptions serving;
  const auto listen = address_of(options.listen);
  auto access = access_of(options);
  if (!listen || !access) {
    return fail(!listen ? listen.error().clone() : std::move(access.error()));
  }
  std::tie(serving.address, serving.port) = *listen;
  serving.threads = options.threads;
  serving.access = std::move(*access);
  for (const std::string& site : options.cors) {
    if (!serve::Cors::is_origin(site)) {
      return fail(Errc::invalid_argument, "--cors " + site + ": https://HOST or * is wanted");
    }
  }
  serving.access.cors.origins = options.cors;
  serving.rules = options.rules;
  serving.objects.offline = options.offline;
  serving.objects.stale_if_error =
      options.offline ? serve::http::kForever : std::chrono::seconds(options.stale_if_error);
  serving.most_per_client = options.client_connections;
  serving.limits.least_rate = options.least_rate;
  auto tls = tls_of(options);
  if (!tls) {
    return fail(std::move(tls.error()));
  }
  serving.tls = std::move(*tls);
  serving.access.certificates = serving.tls != nullptr && serving.tls->asks_for_certificates();
  auto mounts = mounts_of(options);
  if (!mounts) {
    return fail(std::move(mounts.error()));
  }
  serving.mounts = std::move(*mounts);
  serving.pseudonym = pseudonym();
  serving.objects.limits.policy = fill::Policy::window;
  serving.objects.limits.ahead_of_waits = false;
  if (auto may = serve::Server::may_listen(serving); !may) {
    return fail(Error::make(may.error().code, "--listen " + options.listen + ": " + may.error().context));
  }
  return serving;
}

}  // namespace strandline::tool
