#include "config.h"

#include <toml++/toml.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <functional>

#include "../units.h"
#include "text_file.h"

namespace strandline::tool {
namespace {

enum class Kind { text, texts, number, size, seconds, flag };

struct Key {
  std::string_view name;  // of the option, with '_' for '-'
  Kind kind;
};
constexpr std::array kKeys = {Key{"listen", Kind::text},
                              Key{"host_name", Kind::texts},
                              Key{"token_file", Kind::text},
                              Key{"tls_cert", Kind::text},
                              Key{"tls_key", Kind::text},
                              Key{"tls_client_ca", Kind::text},
                              Key{"cache", Kind::text},
                              Key{"cache_size", Kind::size},
                              Key{"max_size", Kind::size},
                              Key{"connections", Kind::number},
                              Key{"timeout", Kind::seconds},
                              Key{"threads", Kind::number},
                              Key{"grace", Kind::seconds},
                              Key{"stale_if_error", Kind::seconds},
                              Key{"offline", Kind::flag},
                              Key{"allow_redirects_to", Kind::texts},
                              Key{"client_connections", Kind::number},
                              Key{"least_rate", Kind::size},
                              Key{"access_log", Kind::text},
                              Key{"log_queries", Kind::flag},
                              Key{"cors", Kind::texts}};

constexpr std::string_view wanted(Kind kind) {
  switch (kind) {
    case Kind::text:
      return "a string";
    case Kind::texts:
      return "an array of strings";
    case Kind::number:
      return "a whole number, 0 or more";
    case Kind::size:
      return "bytes: a whole number, or a string such as \"10G\"";
    case Kind::seconds:
      return "seconds: a whole number, or a string such as \"90s\", \"15m\", \"12h\" or \"7d\"";
    case Kind::flag:
      break;
  }
  return "true or false";
}

// What an option is to be given for it; none: it is of another kind.
std::optional<std::string> text_of(const toml::node& node, Kind kind) {
  if (kind == Kind::flag) {
    const auto flag = node.value_exact<bool>();
    return flag ? std::optional(std::string(*flag ? "true" : "false")) : std::nullopt;
  }
  const bool may_be_number = kind == Kind::number || kind == Kind::size || kind == Kind::seconds;
  if (const auto number = node.value_exact<std::int64_t>(); number && may_be_number && *number >= 0) {
    return std::to_string(*number);
  }
  const auto text = node.value_exact<std::string>();
  if (!text || kind == Kind::number) {
    return std::nullopt;
  }
  if (kind == Kind::seconds && !seconds_of(*text)) {
    return std::nullopt;
  }
  return text;
}

class Reader {
 public:
  Reader(std::string file, ServeOptions& options, const std::set<std::string>& given)
      : file_(std::move(file)), options_(options), given_(given) {
    add_serve_options(app_, options);
  }

  Result<void> read(const toml::table& table) {
    const std::vector<OriginOption> told = std::exchange(options_.origins, {});
    for (const auto& [key, node] : table) {
      auto done = key == "origin" ? each(node, &Reader::origin)
                  : key == "rule" ? each(node, &Reader::rule)
                                  : set(key, node);
      if (!done) {
        return done;
      }
    }
    if (given_.contains("origin")) {
      options_.origins = told;
    }
    return {};
  }

 private:
  std::string at(const toml::source_region& where, std::string_view what) const {
    return file_ + ":" + std::to_string(where.begin.line) + ":" + std::to_string(where.begin.column) + ": " +
           std::string(what);
  }
  tl::unexpected<Error> wrong(const toml::source_region& where, const std::string& what) const {
    return fail(Errc::invalid_argument, at(where, what));
  }
  tl::unexpected<Error> unknown(const toml::key& key) const {
    return wrong(key.source(), "there is no setting " + std::string(key.str()));
  }
  Result<std::string> value(const toml::key& key, const toml::node& node, Kind kind) const {
    auto text = text_of(node, kind);
    if (!text) {
      return wrong(node.source(), std::string(key.str()) + ": " + std::string(wanted(kind)) + " is wanted");
    }
    return std::move(*text);
  }

  Result<void> set(const toml::key& key, const toml::node& node) {
    const auto known = std::find_if(kKeys.begin(), kKeys.end(), [&](const Key& one) { return one.name == key.str(); });
    if (known == kKeys.end()) {
      return unknown(key);
    }
    std::string name(known->name);
    std::replace(name.begin(), name.end(), '_', '-');
    std::vector<std::string> values;
    std::vector<std::string> places;
    if (known->kind == Kind::texts) {
      if (!node.is_array()) {
        return wrong(node.source(), std::string(key.str()) + ": " + std::string(wanted(known->kind)) + " is wanted");
      }
      for (const toml::node& one : *node.as_array()) {
        auto text = value(key, one, Kind::text);
        if (!text) {
          return fail(std::move(text.error()));
        }
        values.push_back(std::move(*text));
        places.push_back(at(one.source(), key.str()));
      }
    } else {
      auto text = value(key, node, known->kind);
      if (!text) {
        return fail(std::move(text.error()));
      }
      values.push_back(std::move(*text));
      places.push_back(at(node.source(), key.str()));
    }
    if (given_.contains(name)) {
      return {};
    }
    if (name == "max-size" && options_.places.contains("cache-size")) {
      return wrong(key.source(), "max_size: cache_size is there, and is the same");
    }
    options_.places[name] = std::move(places);
    return give(*app_.get_option("--" + name), key, node, values);
  }

  // As the command line would, with its limits.
  Result<void> give(CLI::Option& option, const toml::key& key, const toml::node& node,
                    const std::vector<std::string>& values) const {
    try {
      for (const std::string& one : values) {
        option.add_result(one);
      }
      if (!values.empty()) {
        option.run_callback();
      }
      return {};
    } catch (const CLI::Error& error) {
      std::string what = error.what();
      if (const std::string name = option.get_name() + ": "; what.starts_with(name)) {
        what.erase(0, name.size());
      }
      return wrong(node.source(), std::string(key.str()) + ": " + what);
    }
  }

  Result<void> each(const toml::node& node, Result<void> (Reader::*read)(const toml::table&)) {
    if (!node.is_array_of_tables()) {
      return wrong(node.source(), "[[origin]] and [[rule]] are wanted, with two brackets");
    }
    for (const toml::node& one : *node.as_array()) {
      if (auto done = (this->*read)(*one.as_table()); !done) {
        return done;
      }
    }
    return {};
  }

  Result<void> origin(const toml::table& table) {
    OriginOption origin;
    bool has_url = false;
    for (const auto& [key, node] : table) {
      if (key != "name" && key != "url") {
        return unknown(key);
      }
      auto text = value(key, node, Kind::text);
      if (!text) {
        return fail(std::move(text.error()));
      }
      if (key == "name") {
        origin.name = std::move(*text);
        origin.name_said = at(node.source(), key.str());
      } else {
        origin.url = std::move(*text);
        origin.url_said = at(node.source(), key.str());
        has_url = true;
      }
    }
    if (!has_url) {
      return wrong(table.source(), "an origin has a url");
    }
    options_.origins.push_back(std::move(origin));
    return {};
  }

  Result<void> rule(const toml::table& table) {
    serve::Rule rule;
    bool cache = true;
    struct RuleKey {
      std::string_view name;
      Kind kind;
      std::function<void(const std::string&)> take;
    };
    const auto seconds_into = [](std::optional<std::chrono::seconds>& into) {
      return [&into](const std::string& text) { into = std::chrono::seconds(seconds_of(text).value_or(0)); };
    };
    const auto flag_into = [](bool& into) { return [&into](const std::string& text) { into = text == "true"; }; };
    std::string path;
    const std::array<RuleKey, 7> keys = {
        {{"path", Kind::text, [&](const std::string& text) { path = text; }},
         {"cache", Kind::flag, flag_into(cache)},
         {"ignore_client_cache_control", Kind::flag, flag_into(rule.ignore_client_cache_control)},
         {"fresh_for", Kind::seconds, seconds_into(rule.freshness.fresh_for)},
         {"stale_while_revalidate", Kind::seconds, seconds_into(rule.freshness.stale_while_revalidate)},
         {"stale_if_error", Kind::seconds, seconds_into(rule.freshness.stale_if_error)},
         {"read_ahead", Kind::size, [&](const std::string& text) { rule.read_ahead = bytes_of(text).value_or(0); }}}};
    for (const auto& [key, node] : table) {
      const std::string_view name = key.str();
      const auto* const known =
          std::find_if(keys.begin(), keys.end(), [&](const RuleKey& one) { return one.name == name; });
      if (known == keys.end()) {
        return unknown(key);
      }
      auto text = value(key, node, known->kind);
      if (!text) {
        return fail(std::move(text.error()));
      }
      known->take(*text);
      if (rule.read_ahead && (*rule.read_ahead < kLeastAhead || *rule.read_ahead > kMostAhead)) {
        return wrong(node.source(), "read_ahead: 1M to 1G");
      }
    }
    rule.freshness.no_store = !cache;
    auto pattern = serve::PathPattern::parse(path);
    if (!pattern) {
      return wrong(table.source(), "a rule has a path: " + pattern.error().context);
    }
    rule.path = std::move(*pattern);
    options_.rules.push_back(std::make_shared<const serve::Rule>(std::move(rule)));
    return {};
  }

  static constexpr std::uint64_t kLeastAhead = 1 << 20;
  static constexpr std::uint64_t kMostAhead = 1 << 30;

  const std::string file_;
  ServeOptions& options_;
  const std::set<std::string>& given_;
  CLI::App app_;
};

}  // namespace

Result<ServeOptions> with_config(const ServeOptions& options, const std::set<std::string>& given) {
  ServeOptions all = options;
  if (!options.config) {
    return all;
  }
  const auto text = read_text(*options.config, "--config", Readers::anybody);
  if (!text) {
    return fail(text.error().clone());
  }
  try {
    const toml::table table = toml::parse(*text, *options.config);
    if (auto done = Reader(*options.config, all, given).read(table); !done) {
      return fail(std::move(done.error()));
    }
    return all;
  } catch (const toml::parse_error& error) {
    return fail(Errc::invalid_argument, *options.config + ":" + std::to_string(error.source().begin.line) + ":" +
                                            std::to_string(error.source().begin.column) + ": " +
                                            std::string(error.description()));
  }
}

}  // namespace strandline::tool
