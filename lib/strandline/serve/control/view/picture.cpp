#include <strandline/serve/control/view/picture.h>
#include <strandline/serve/http/request/request_target.h>
#include <strandline/serve/log/without_secrets.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <utility>

namespace strandline::serve {

using nlohmann::json;

namespace {

constexpr std::size_t kMostShown = 200;        // of a state
constexpr std::size_t kMostListed = 200;       // of those that are not open
constexpr std::size_t kMostRanges = 4096;      // of one object
constexpr std::size_t kMostTold = 5000;        // names that are remembered; and as many from before
constexpr std::size_t kMostLookedAt = 10'000;  // entries, for one of which nothing is known
constexpr std::uint64_t kBlockBytes = 4096;    // that presence is kept by
constexpr auto kShownFor = std::chrono::seconds(10);
constexpr auto kStoreEvery = std::chrono::seconds(1);  // without an index that is a walk through a folder

// The end is not known: null.
json range_json(ByteRange range) {
  json end;
  if (range.end < kMaxOffset) {
    end = range.end;
  }
  return json::array({range.begin, std::move(end)});
}

// Those that were not looked at in this turn.
template <class Map>
void drop_gone(Map& map) {
  for (auto it = map.begin(); it != map.end();) {
    it = std::exchange(it->second.looked_at, false) ? std::next(it) : map.erase(it);
  }
}

std::string_view state_text(bool past, bool whole, bool failed, bool arriving) {
  if (past) {
    return "replaced";
  }
  if (whole) {
    return "whole";
  }
  if (failed) {
    return "failed";
  }
  return arriving ? "arriving" : "partial";
}

ObjectState contents_of(const Resource<store::EntryDriver>& resource, const Validator& validator) {
  ObjectState state;
  state.length = resource.length();
  state.validator = validator;
  if (auto present = resource.available()) {
    state.present = std::move(*present);
  }
  return state;
}

json with_ranges(json object, const RangeSet& present) {
  json ranges = json::array();
  for (auto it = present.begin(); it != present.end() && ranges.size() < kMostRanges; ++it) {
    ranges.push_back({(*it).begin, (*it).end});
  }
  object["truncated"] = present.range_count() > kMostRanges;
  object["ranges"] = std::move(ranges);
  object["block_bytes"] = kBlockBytes;
  return object;
}

}  // namespace

std::string id_text(std::uint64_t id) {
  std::array<char, 17> text{};
  std::snprintf(text.data(), text.size(), "%016llx", static_cast<unsigned long long>(id));
  return text.data();
}

std::string strip_of(const ObjectState& object, const RangeSet& evicted, const StripOptions& options) {
  if (!object.length) {
    return std::string(options.cells, '?');
  }
  const ByteRange shown = ByteRange{options.from, std::max(options.from, options.to)}.clamped_to({0, *object.length});
  std::string strip(options.cells, '#');
  for (std::size_t i = 0; i < options.cells; ++i) {
    const auto edge = [&](std::size_t cell) {
      return shown.begin + static_cast<std::uint64_t>(static_cast<__uint128_t>(shown.size()) * cell / options.cells);
    };
    const ByteRange cell{edge(i), std::max(edge(i) + 1, edge(i + 1))};
    if (object.present.covers(cell.clamped_to({0, *object.length}))) {
      continue;
    }
    const bool arrives = std::any_of(object.arriving.begin(), object.arriving.end(),
                                     [&](ByteRange range) { return range.intersects(cell); });
    if (arrives) {
      strip[i] = '>';
    } else if (object.present.intersects(cell)) {
      strip[i] = '+';
    } else {
      strip[i] = evicted.intersects(cell) ? 'x' : '.';
    }
  }
  return strip;
}

Picture::Picture(ServerParts parts, std::weak_ptr<const CurrentServing> serving)
    : parts_(std::move(parts)), serving_(std::move(serving)) {}
Picture::~Picture() = default;

std::string Picture::path_of(const std::string& name) const {
  const auto serving = current();
  return serving != nullptr ? serving->path_of(name) : "";
}

ObjectState Picture::state_of(const Objects::Listed& listed) const {
  const store::Lease lease = listed.fetched.lease();
  ObjectState state = contents_of(listed.fetched.resource(), listed.fetched.validator());
  state.name = listed.name;
  state.path = path_of(listed.name);
  state.type = listed.content_type;
  auto progress = listed.fetched.progress();
  state.arriving = std::move(progress.arriving);
  state.rate = progress.rate;
  const auto why = listed.fetched.given_up();
  const bool whole = state.length && state.present.covers({0, *state.length});
  state.state = state_text(lease.entry().is_past(), whole, why.has_value(), !state.arriving.empty());
  state.error = why && !whole ? without_secrets(why->message()) : "";
  return state;
}

std::optional<ObjectState> Picture::state_in_store(const std::string& name) {
  const auto lease = parts_.store.peek(name);
  if (!lease) {
    return std::nullopt;  // it has just gone, or cannot be read: it is no object for anybody
  }
  ObjectState state = contents_of(lease->resource(), lease->validator());
  state.name = name;
  state.path = path_of(name);
  const bool whole = state.length && state.present.covers({0, *state.length});
  state.state = state_text(false, whole, false, false);
  return state;
}

void Picture::look(Clock::time_point now) {
  now_ = now;
  totals_ = parts_.traffic->totals();
  fetched_ = parts_.filler->stats();
  connections_ = parts_.traffic->connections();
  bool evicted = false;
  if (now - kStoreEvery >= stored_at_) {
    if (const auto stats = parts_.store.stats()) {
      evicted = stats->evicted_bytes != stored_.evicted_bytes;
      stored_ = *stats;
      stored_at_ = now;
    }
  }
  in_.update(fetched_.fetched, now);
  out_.update(totals_.sent_bytes(), now);
  for (const Objects::Listed& listed : parts_.objects->open_objects()) {
    look_at(listed, evicted, now);
  }
  for (const auto& [id, seen] : seen_) {
    if (!seen.looked_at) {
      told(seen.now.name);
    }
  }
  drop_gone(seen_);
  look_at_readers(now);
  first_look_ = false;
}

void Picture::look_at(const Objects::Listed& listed, bool evicted, Clock::time_point now) {
  const auto [it, is_new] = seen_.try_emplace(object_id(listed.name));
  Seen& seen = it->second;
  seen.looked_at = true;
  seen.readers.clear();
  const std::uint64_t written = listed.fetched.resource().stats().bytes_written;
  const bool is_quiet = !is_new && !evicted && written == seen.written && seen.now.arriving.empty() &&
                        listed.fetched.progress().arriving.empty() &&
                        (seen.now.state == "whole" || seen.now.state == "partial");
  seen.written = written;
  if (is_quiet && now - seen.changed > kShownFor) {
    return;
  }
  ObjectState state = state_of(listed);
  if (is_new || state.state != seen.now.state || !(state.present == seen.now.present) ||
      !(state.validator == seen.now.validator)) {
    const bool other_version = !is_new && !(state.validator == seen.now.validator);
    if (other_version) {
      seen.ever.clear();
    }
    seen.evicted.clear();
    for (const ByteRange range : state.present) {
      static_cast<void>(seen.ever.insert(range));  // without memory less is drawn as evicted
    }
    for (const ByteRange range : seen.ever) {
      for (const ByteRange gone : state.present.gaps(range).value_or(std::vector<ByteRange>())) {
        static_cast<void>(seen.evicted.insert(gone));
      }
    }
    // What was open when it was first looked at has not just changed.
    seen.changed = is_new && first_look_ && state.state != "arriving" ? Clock::time_point() : now;
  }
  seen.now = std::move(state);
}

void Picture::look_at_readers(Clock::time_point now) {
  waiters_ = 0;
  for (ReaderState& reader : parts_.traffic->readers()) {
    waiters_ += reader.waiting ? 1 : 0;
    Pace& pace = readers_[reader.id];
    pace.rate.update(reader.at, now);
    pace.looked_at = true;
    if (const auto object = seen_.find(reader.object); object != seen_.end()) {
      object->second.changed = now;
      object->second.readers.push_back(std::move(reader));
    }
  }
  drop_gone(readers_);
}

json Picture::json_of(const ObjectState& object, const RangeSet& evicted, const std::vector<ReaderState>& readers,
                      const StripOptions& options) const {
  json found = {{"id", id_text(object_id(object.name))},
                {"name", object.name.substr(0, object.name.find('?'))},  // credentials may be behind it
                {"url", object.path},
                {"type", object.type},
                {"length", nullptr},
                {"present", object.present.byte_count()},
                {"validator", object.validator.value},
                {"state", object.state},
                {"rate", static_cast<std::uint64_t>(object.rate)},
                {"strip", strip_of(object, evicted, options)},
                {"readers", json::array()}};
  if (object.length) {
    found["length"] = *object.length;
  }
  if (object.state == "failed") {
    found["error"] = object.error;
  }
  for (const ReaderState& reader : readers) {
    const auto pace = readers_.find(reader.id);
    found["readers"].push_back({{"id", reader.id},
                                {"client", reader.client},
                                {"at", reader.at},
                                {"range", range_json(reader.range)},
                                {"waiting", reader.waiting ? range_json(*reader.waiting) : json()},
                                {"waited_ms", reader.waited.count()},
                                {"rate", pace != readers_.end() ? pace->second.rate.per_second() : 0}});
  }
  return found;
}

json Picture::state(std::size_t cells) const {
  json shown = json::array();
  std::size_t more = 0;
  for (const auto& [id, seen] : seen_) {
    const bool lives = seen.now.state == "arriving" || !seen.readers.empty();
    if (!lives && (seen.changed == Clock::time_point() || now_ - seen.changed > kShownFor)) {
      continue;
    }
    if (shown.size() == kMostShown) {
      ++more;
    } else {
      shown.push_back(json_of(seen.now, seen.evicted, seen.readers, {.cells = cells}));
    }
  }
  const auto unix_time = std::chrono::system_clock::now().time_since_epoch();
  json store = {{"used_bytes", stored_.bytes}, {"max_bytes", nullptr}};
  if (stored_.max_bytes > 0) {
    store["max_bytes"] = stored_.max_bytes;
  }
  return {{"time_ms", std::chrono::duration_cast<std::chrono::milliseconds>(unix_time).count()},
          {"uptime_s", std::chrono::duration_cast<std::chrono::seconds>(now_ - began_).count()},
          {"connections", connections_},
          {"waiters", waiters_},
          {"rate_out", out_.per_second()},
          {"rate_in", in_.per_second()},
          {"totals",
           {{"requests", totals_.requests()},
            {"hit_bytes", totals_.hit_bytes},
            {"miss_bytes", totals_.miss_bytes},
            {"origin_bytes", fetched_.fetched},
            {"sent_bytes", totals_.sent_bytes()},
            {"evicted_bytes", stored_.evicted_bytes},
            {"errors", totals_.errors()}}},
          {"store", std::move(store)},
          {"objects", std::move(shown)},
          {"more", more}};
}

json Picture::objects(const http::RequestTarget& below, std::size_t cells) {
  json found = json::array();
  std::size_t more = 0;
  for (const auto& [id, seen] : seen_) {
    if (seen.now.path.starts_with(below.path)) {
      found.push_back(json_of(seen.now, seen.evicted, seen.readers, {.cells = cells}));
    }
  }
  const auto serving = current();
  const auto prefixes = serving != nullptr ? serving->names_below(below) : std::vector<std::string>();
  for (const std::string& prefix : prefixes) {
    const auto listed = parts_.store.list(prefix, nullptr, kMostListed + seen_.size() + 1);
    for (const store::EntryInfo& entry : listed ? *listed : std::vector<store::EntryInfo>()) {
      if (seen_.contains(object_id(entry.key))) {
        continue;
      }
      if (found.size() >= kMostListed + seen_.size()) {
        ++more;
      } else if (const auto state = state_in_store(entry.key)) {
        told(entry.key);
        found.push_back(json_of(*state, {}, {}, {.cells = cells}));
      }
    }
  }
  return {{"objects", std::move(found)}, {"more", more}};
}

json Picture::object(std::uint64_t id, const StripOptions& options) {
  if (const auto it = seen_.find(id); it != seen_.end()) {
    const Seen& seen = it->second;
    return with_ranges(json_of(seen.now, seen.evicted, seen.readers, options), seen.now.present);
  }
  const std::string name = name_of(id);
  const auto state = !name.empty() ? state_in_store(name) : std::nullopt;
  return state ? with_ranges(json_of(*state, {}, {}, options), state->present) : json();
}

std::string Picture::name_of(std::uint64_t id) {
  for (const auto* names : {&told_, &told_before_}) {
    if (const auto it = names->find(id); it != names->end()) {
      return it->second;
    }
  }
  const auto entries = parts_.store.list({}, nullptr, kMostLookedAt);
  if (!entries) {
    return {};
  }
  const auto found = std::find_if(entries->begin(), entries->end(),
                                  [id](const store::EntryInfo& entry) { return object_id(entry.key) == id; });
  return found != entries->end() ? found->key : std::string();
}

void Picture::told(const std::string& name) {
  told_.try_emplace(object_id(name), name);
  if (told_.size() >= kMostTold) {
    told_before_ = std::exchange(told_, {});
  }
}

json Picture::unknown(const std::string& name, const StripOptions& options) const {
  ObjectState state;
  state.name = name;
  state.path = path_of(name);
  state.state = "partial";
  return with_ranges(json_of(state, {}, {}, options), {});
}

}  // namespace strandline::serve
