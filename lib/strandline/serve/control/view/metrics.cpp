#include <strandline/serve/control/view/metrics.h>

#include <algorithm>
#include <charconv>

namespace strandline::serve {
namespace {

class Text {
 public:
  void counter(const char* name, const char* help, std::uint64_t value) {
    head(name, help, "counter");
    line(name, "", std::to_string(value));
  }
  void gauge(const char* name, const char* help, std::uint64_t value) {
    head(name, help, "gauge");
    line(name, "", std::to_string(value));
  }
  void head(const char* name, const char* help, const char* type) {
    text_.append("# HELP strandline_").append(name).append(" ").append(help).append("\n");
    text_.append("# TYPE strandline_").append(name).append(" ").append(type).append("\n");
  }
  // `labels` in braces, or nothing. Their values are our own words: nothing in them is to be escaped.
  void line(const std::string& name, const std::string& labels, const std::string& value) {
    text_.append("strandline_").append(name).append(labels).append(" ").append(value).append("\n");
  }
  void histogram(const std::string& name, const char* help, const fill::Durations::Snapshot& durations) {
    head(name.c_str(), help, "histogram");
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < durations.counts.size(); ++i) {
      sum += durations.counts[i];
      const bool last = i == fill::Durations::kBounds.size();
      const std::string bound = last ? "+Inf" : seconds(fill::Durations::kBounds[i]);
      line(name + "_bucket", "{le=\"" + bound + "\"}", std::to_string(sum));
    }
    line(name + "_sum", "", seconds(durations.microseconds));
    line(name + "_count", "", std::to_string(sum));
  }
  [[nodiscard]] std::string take() { return std::move(text_); }

 private:
  static std::string seconds(std::uint64_t microseconds) {
    std::array<char, 40> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(),
                                   static_cast<double>(microseconds) / 1e6, std::chars_format::general)
                         .ptr;
    return {digits.data(), end};
  }

  std::string text_;
};

}  // namespace

std::string metrics_text(ServerParts& parts, const PrefetchCounts& prefetches) {
  const TrafficTotals sent = parts.traffic->totals();
  const fill::FillerStats fetched = parts.filler->stats();
  const auto readers = parts.traffic->readers();
  const auto waiters =
      std::count_if(readers.begin(), readers.end(), [](const auto& each) { return each.waiting.has_value(); });
  Text text;
  text.head("requests_total", "Requests answered, by the status of the answer.", "counter");
  for (const auto& [status, count] : sent.answers) {
    text.line("requests_total", "{status=\"" + std::to_string(status) + "\"}", std::to_string(count));
  }
  text.counter("broken_answers_total", "Answers that ended before what they had said was sent.", sent.broken_off);
  text.counter("hit_bytes_total", "Bytes sent that were there when they were asked for.", sent.hit_bytes);
  text.counter("miss_bytes_total", "Bytes sent that had to be waited for.", sent.miss_bytes);
  text.counter("passed_bytes_total", "Bytes sent past the store, to one client only.", sent.passed_bytes);
  text.counter("origin_bytes_total", "Bytes that came from origins.", fetched.fetched);
  text.counter("origin_requests_total", "Ranges asked of origins.", fetched.requests);
  text.counter("origin_retries_total", "Failures of origins after which they were asked once more.", fetched.retries);
  text.counter("validator_changes_total", "Times that an origin had another version of what was open.",
               parts.objects->replaced());
  text.gauge("inflight_ranges", "Ranges that are coming from origins.", fetched.transfers);
  text.gauge("connections", "Connections of clients.", parts.traffic->connections());
  text.gauge("readers", "Answers that are being sent.", readers.size());
  text.gauge("waiters", "Of those: how many wait for bytes.", static_cast<std::uint64_t>(waiters));
  text.gauge("open_objects", "Objects that are open.", parts.objects->open_objects().size());
  text.head("prefetches", "What is to be fetched ahead of anybody's asking for it, by how far it is.", "gauge");
  text.line("prefetches", "{state=\"queued\"}", std::to_string(prefetches.queued));
  text.line("prefetches", "{state=\"running\"}", std::to_string(prefetches.running));
  if (const auto stored = parts.store.stats()) {
    text.counter("evicted_bytes_total", "Bytes that this process has evicted.", stored->evicted_bytes);
    text.gauge("store_entries", "Objects in the store.", stored->entries);
    text.gauge("store_used_bytes", "Bytes of the store on the disk, of all processes.", stored->bytes);
    text.gauge("store_max_bytes", "As many as it may have; 0: no limit.", stored->max_bytes);
  }
  text.histogram("wait_seconds", "How long an answer waited each time that its next byte was not there.", sent.waits);
  text.histogram("origin_first_byte_seconds", "From a range's being asked of an origin to its first byte.",
                 fetched.first_byte);
  return text.take();
}

}  // namespace strandline::serve
