#include "setup.h"

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

tl::unexpected<Error> wrong(Errc code, const std::string& where, const std::string& what) {
  return fail(Error{code, {}, where + ": " + what});
}

// "." and ".." are no path that a client could ask for, and "/-/" is the server's own.
bool is_name(const std::string& name) {
  constexpr const char* kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
  return !name.empty() && name.find_first_not_of(kPlain) == std::string::npos && name != "." && name != ".." &&
         name != "-";
}

Result<serve::Mount> mount_of(const OriginOption& origin, const Places& places) {
  serve::Mount mount;
  if (origin.name) {
    if (!is_name(*origin.name)) {
      return wrong(
          Errc::invalid_argument, origin.name_said,
          "'" + *origin.name + "': a name has letters, digits, '.', '_' and '-' only, and is no '.', '..' or '-'");
    }
    mount.prefix = "/" + *origin.name + "/";
  }
  auto place = places.find(origin.url);
  if (!place) {
    return wrong(place.error().code, origin.url_said, place.error().context);
  }
  if (place->key.find_first_of("?#") != std::string::npos && place->path.empty()) {
    return wrong(Errc::invalid_argument, origin.url_said, place->url + ": a place has no query");
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
Result<std::pair<std::string, std::uint16_t>> address_of(const ServeOptions& options) {
  const std::string& text = options.listen;
  const auto colon = text.rfind(':');
  std::string address = colon == std::string::npos ? text : text.substr(0, colon);
  const std::string port = colon == std::string::npos ? "" : text.substr(colon + 1);
  if (address.starts_with('[') && address.ends_with(']')) {
    address = address.substr(1, address.size() - 2);
  }
  unsigned number = 0;
  const auto read = std::from_chars(port.data(), port.data() + port.size(), number);
  if (port.empty() || read.ec != std::errc() || read.ptr != port.data() + port.size() || number > 65535) {
    return wrong(Errc::invalid_argument, said_by(options, "listen") + " " + text,
                 "ADDRESS:PORT is wanted, such as 127.0.0.1:8080");
  }
  return std::pair(address == "localhost" ? "127.0.0.1" : address, static_cast<std::uint16_t>(number));
}

Result<serve::Access> access_of(const ServeOptions& options) {
  serve::Access access;
  for (std::size_t i = 0; i < options.host_names.size(); ++i) {
    const std::string& name = options.host_names[i];
    const auto authority = serve::http::parse_authority(name);
    if (!authority || authority->host.empty() || authority->port) {
      return wrong(Errc::invalid_argument, said_by(options, "host-name", i) + " " + name,
                   "a name without a port is wanted");
    }
    access.hosts.push_back(authority->host);
  }
  if (options.token_file) {
    const auto text = read_text(*options.token_file, said_by(options, "token-file"), Readers::owner_and_group);
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
    const char* const given = options.tls_cert ? "tls-cert" : options.tls_key ? "tls-key" : "tls-client-ca";
    return wrong(Errc::invalid_argument, said_by(options, given), "--tls-cert and --tls-key are wanted both");
  }
  if (auto secret = read_text(*options.tls_key, said_by(options, "tls-key"), Readers::owner_and_group); !secret) {
    return fail(std::move(secret.error()));
  }
  auto made = serve::TlsContext::open({*options.tls_cert, *options.tls_key, options.tls_client_ca.value_or("")});
  if (!made) {
    // It says from which of them nothing can be read.
    for (const auto& [name, path] : {std::pair("tls-cert", &options.tls_cert), std::pair("tls-key", &options.tls_key),
                                     std::pair("tls-client-ca", &options.tls_client_ca)}) {
      if (*path && made.error().context.find(" from " + **path) != std::string::npos) {
        return wrong(made.error().code, said_by(options, name), made.error().context);
      }
    }
  }
  return made;
}

// As URLs' hosts are compared: in lower case, IPv6 without brackets.
std::optional<std::string> host_of(const std::string& text) {
  auto authority = serve::http::parse_authority(text);
  if (!authority) {
    authority = serve::http::parse_authority("[" + text + "]");
  }
  if (!authority || authority->host.empty() || authority->port) {
    return std::nullopt;
  }
  const std::string& host = authority->host;
  return host.starts_with('[') ? host.substr(1, host.size() - 2) : host;
}

Result<std::vector<serve::Mount>> mounts_of(const ServeOptions& options, ServedPlaces& served) {
  std::optional<std::vector<std::string>> hosts(std::in_place);
  for (std::size_t i = 0; i < options.redirects_to.size(); ++i) {
    const std::string& text = options.redirects_to[i];
    auto host = text == "*" ? std::optional(text) : host_of(text);
    if (!host) {
      return wrong(Errc::invalid_argument, said_by(options, "allow-redirects-to", i) + " " + text,
                   "a host without a port, or * is wanted");
    }
    hosts->push_back(std::move(*host));
  }
  if (std::find(hosts->begin(), hosts->end(), "*") != hosts->end()) {
    hosts.reset();
  }
  const Places& places = served.with(std::chrono::seconds(options.timeout), hosts);
  std::vector<serve::Mount> mounts;
  for (const OriginOption& origin : options.origins) {
    auto mount = mount_of(origin, places);
    if (!mount) {
      return fail(std::move(mount.error()));
    }
    for (const serve::Mount& other : mounts) {
      if (other.prefix == mount->prefix || other.name == mount->name) {
        // The same place twice would be one entry, though each may have a user of its own.
        const bool same_path = other.prefix == mount->prefix;
        return wrong(Errc::invalid_argument, same_path && origin.name ? origin.name_said : origin.url_said,
                     "two origins at " + (same_path ? mount->prefix : mount->name));
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

const Places& ServedPlaces::with(std::chrono::seconds timeout,
                                 const std::optional<std::vector<std::string>>& redirects_to) {
  if (!places_ || timeout != timeout_ || redirects_to != redirects_to_) {
    places_.emplace(timeout, redirects_to, "1.1 " + pseudonym());
    timeout_ = timeout;
    redirects_to_ = redirects_to;
  }
  return *places_;
}

Result<serve::ServerOptions> server_options(const ServeOptions& options, ServedPlaces& places) {
  serve::ServerOptions serving;
  const auto listen = address_of(options);
  auto access = access_of(options);
  if (!listen || !access) {
    return fail(!listen ? listen.error().clone() : std::move(access.error()));
  }
  std::tie(serving.address, serving.port) = *listen;
  serving.threads = options.threads;
  serving.access = std::move(*access);
  for (std::size_t i = 0; i < options.cors.size(); ++i) {
    if (!serve::Cors::is_origin(options.cors[i])) {
      return wrong(Errc::invalid_argument, said_by(options, "cors", i) + " " + options.cors[i],
                   "https://HOST or * is wanted");
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
  auto mounts = mounts_of(options, places);
  if (!mounts) {
    return fail(std::move(mounts.error()));
  }
  serving.mounts = std::move(*mounts);
  serving.pseudonym = pseudonym();
  serving.objects.limits.policy = fill::Policy::window;
  serving.objects.limits.ahead_of_waits = false;
  if (auto may = serve::Server::may_listen(serving); !may) {
    return wrong(may.error().code, said_by(options, "listen") + " " + options.listen, may.error().context);
  }
  return serving;
}

}  // namespace strandline::tool
