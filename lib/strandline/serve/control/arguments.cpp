#include <strandline/serve/control/arguments.h>

#include <charconv>
#include <nlohmann/json.hpp>

namespace strandline::serve {

using nlohmann::json;

namespace {

std::optional<std::uint64_t> number(std::string_view text, int base = 10) {
  std::uint64_t value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value, base);
  const bool all = read.ec == std::errc() && read.ptr == text.data() + text.size();
  return all && !text.empty() ? std::optional(value) : std::nullopt;
}

// An object of which nothing is but these; not: discarded.
json object_of(const std::string& body, std::initializer_list<const char*> names) {
  json asked = json::parse(body, nullptr, false);
  if (!asked.is_object()) {
    return json(json::value_t::discarded);
  }
  for (const auto& [name, value] : asked.items()) {
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      return json(json::value_t::discarded);
    }
  }
  return asked;
}

std::optional<http::RequestTarget> target_in(const json& asked, const char* name) {
  const auto found = asked.find(name);
  return found != asked.end() && found->is_string() ? path_argument(found->get<std::string>()) : std::nullopt;
}

}  // namespace

std::optional<std::string> argument(const http::RequestTarget& target, std::string_view name) {
  std::string_view rest = target.query ? std::string_view(*target.query) : std::string_view();
  while (!rest.empty()) {
    const auto one = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(rest.size(), one.size() + 1));
    const auto equals = one.find('=');
    if (equals != std::string_view::npos && one.substr(0, equals) == name) {
      return http::RequestTarget{std::string(one.substr(equals + 1)), {}}.decoded_path();
    }
  }
  return std::nullopt;
}

std::optional<http::RequestTarget> path_argument(const std::string& text) {
  if (!text.starts_with('/')) {
    return std::nullopt;
  }
  auto target = http::parse_request_target(text, std::nullopt);
  return target ? std::optional(std::move(*target)) : std::nullopt;
}

std::optional<std::uint64_t> id_argument(std::string_view text) {
  return text.size() == 16 ? number(text, 16) : std::nullopt;
}

std::optional<StripOptions> strip_options(const http::RequestTarget& target) {
  StripOptions options;
  const auto read = [&](const char* name, std::uint64_t most) -> std::optional<std::uint64_t> {
    const auto text = argument(target, name);
    const auto value = text ? number(*text) : std::optional(most);
    return value && *value <= most ? value : std::nullopt;
  };
  const auto cells = argument(target, "cells") ? read("cells", 4096) : std::optional<std::uint64_t>(options.cells);
  const auto from = argument(target, "from") ? read("from", kMaxOffset) : std::optional<std::uint64_t>(0);
  const auto to = read("to", kMaxOffset);
  if (!cells || *cells == 0 || !from || !to || *from > *to) {
    return std::nullopt;
  }
  options.cells = static_cast<std::size_t>(*cells);
  options.from = *from;
  options.to = *to;
  return options;
}

std::optional<PrefetchArguments> prefetch_arguments(const std::string& body) {
  const json asked = object_of(body, {"url", "range"});
  auto target = asked.is_object() ? target_in(asked, "url") : std::nullopt;
  if (!target) {
    return std::nullopt;
  }
  PrefetchArguments arguments{std::move(*target), {0, kMaxOffset}};
  if (const auto range = asked.find("range"); range != asked.end()) {
    if (!range->is_array() || range->size() != 2 || !(*range)[0].is_number_unsigned() ||
        !(*range)[1].is_number_unsigned()) {
      return std::nullopt;
    }
    arguments.range = {(*range)[0].get<std::uint64_t>(), (*range)[1].get<std::uint64_t>()};
    if (!arguments.range.valid() || arguments.range.empty()) {
      return std::nullopt;
    }
  }
  return arguments;
}

std::optional<PurgeArguments> purge_arguments(const std::string& body) {
  const json asked = object_of(body, {"url", "prefix", "all"});
  if (!asked.is_object() || asked.size() != 1) {
    return std::nullopt;
  }
  if (const auto all = asked.find("all"); all != asked.end()) {
    return all->is_boolean() && all->get<bool>() ? std::optional(PurgeArguments{{"/", {}}, true}) : std::nullopt;
  }
  const bool below = asked.contains("prefix");
  auto target = target_in(asked, below ? "prefix" : "url");
  if (!target || (below && target->query)) {
    return std::nullopt;
  }
  return PurgeArguments{std::move(*target), below};
}

}  // namespace strandline::serve
