#include "config.h"

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

// What stands before the host is who asks, and may be a password.
std::string without_user(std::string url) {
  const auto begin = url.find("://");
  const auto host = begin == std::string::npos ? begin : begin + 3;
  const auto end = begin == std::string::npos ? begin : url.find_first_of("/?#", host);
  const auto at = begin == std::string::npos ? begin : url.substr(0, end).rfind('@');
  return at == std::string::npos || at < host ? url : url.replace(host, at - host, "...");
}

}  // namespace

std::string config_text(const ServeOptions& options) {
  std::string text = line("listen", quoted(options.listen));
  if (!options.host_names.empty()) {
    text += line("host_name", nlohmann::json(options.host_names).dump());
  }
  text += text_line("token_file", options.token_file);
  if (!options.cors.empty()) {
    text += line("cors", nlohmann::json(options.cors).dump());
  }
  text += text_line("cache", options.cache.directory);
  const std::pair<const char*, std::uint64_t> numbers[] = {
      {"cache_size", options.cache.size}, {"connections", options.connections},
      {"timeout", options.timeout},       {"threads", options.threads},
      {"grace", options.grace},           {"stale_if_error", options.stale_if_error}};
  for (const auto& [key, value] : numbers) {
    text += line(key, std::to_string(value));
  }
  text += text_line("access_log", options.access_log);
  text += line("log_queries", flag(options.log_queries));
  for (const std::string& origin : options.origins) {
    const auto [name, url] = origin_of(origin);
    text +=
        "\n[[origin]]\n" + (name.empty() ? "" : line("name", quoted(name))) + line("url", quoted(without_user(url)));
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
