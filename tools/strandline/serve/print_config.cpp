#include "config.h"

#include <strandline/origin/origins.h>

#include <nlohmann/json.hpp>

namespace strandline::tool {
namespace {

// A string of JSON is one of TOML (TOML 1.0, section "String").
std::string quoted(const std::string& text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string line(const std::string& key, const std::string& value) {
  return key + " = " + value + "\n";
}
std::string text_line(const std::string& key, const std::optional<std::string>& value) {
  return value ? line(key, quoted(*value)) : "";
}
std::string seconds_line(const std::string& key, const std::optional<std::chrono::seconds>& value) {
  return value ? line(key, std::to_string(value->count())) : "";
}
const char* flag(bool value) {
  return value ? "true" : "false";
}

}  // namespace

std::string config_text(const ServeOptions& options) {
  std::string text = line("listen", quoted(options.listen));
  for (const auto& [key, values] :
       {std::pair("host_name", &options.host_names), std::pair("allow_redirects_to", &options.redirects_to)}) {
    text += values->empty() ? "" : line(key, nlohmann::json(*values).dump());
  }
  text += text_line("token_file", options.token_file);
  if (!options.cors.empty()) {
    text += line("cors", nlohmann::json(options.cors).dump());
  }
  text += text_line("tls_cert", options.tls_cert) + text_line("tls_key", options.tls_key) +
          text_line("tls_client_ca", options.tls_client_ca);
  text += text_line("cache", options.cache.directory);
  const std::pair<const char*, std::uint64_t> numbers[] = {
      {"cache_size", options.cache.size}, {"connections", options.connections},
      {"timeout", options.timeout},       {"threads", options.threads},
      {"grace", options.grace},           {"stale_if_error", options.stale_if_error}};
  for (const auto& [key, value] : numbers) {
    text += line(key, std::to_string(value));
  }
  text += line("client_connections", std::to_string(options.client_connections));
  text += line("least_rate", std::to_string(options.least_rate));
  text += line("offline", flag(options.offline));
  text += text_line("access_log", options.access_log);
  text += line("log_queries", flag(options.log_queries));
  for (const OriginOption& one : options.origins) {
    text += "\n[[origin]]\n" + text_line("name", one.name) + line("url", quoted(origin::without_credentials(one.url)));
  }
  for (const auto& rule : options.rules) {
    text += "\n[[rule]]\n" + line("path", quoted(rule->path.text()));
    text += line("cache", flag(!rule->freshness.no_store));
    text += line("ignore_client_cache_control", flag(rule->ignore_client_cache_control));
    text += seconds_line("fresh_for", rule->freshness.fresh_for);
    text += seconds_line("stale_while_revalidate", rule->freshness.stale_while_revalidate);
    text += seconds_line("stale_if_error", rule->freshness.stale_if_error);
    text += rule->read_ahead ? line("read_ahead", std::to_string(*rule->read_ahead)) : "";
  }
  return text;
}

}  // namespace strandline::tool
