// What the checks of the suite are made of.
#include <tests/origin/conformance.h>

#include <algorithm>

namespace strandline::origin::conformance {

void Subject::put(const std::string& name, const Bytes& content) {
  const auto answer = std::make_shared<Answer<ObjectInfo>>();
  WriteRequest request;
  request.key = key(name);
  request.content = content;
  origin().write(std::move(request), Answer<ObjectInfo>::reply(answer), {});
  const auto written = answer->wait();
  if (!written) {
    throw std::runtime_error("put " + name + ": " + written.error().error.message());
  }
}

Calls::~Calls() {
  end_origin();
  MutexLock lock(mutex_);
  for (const auto& reading : readings_) {
    CHECK(reading->ended());
    CHECK(reading->breaches() == "");
    CHECK(reading.use_count() == 1);
  }
  for (const Kept& kept : answers_) {
    CHECK(kept.calls() == 1);
    CHECK(kept.answer.use_count() == 1);
  }
}

void Calls::end_origin() {
  if (!std::exchange(ended_, true)) {
    subject_.end_origin();
  }
}

std::shared_ptr<Reading> Calls::reading(ByteRange range) {
  auto reading = std::make_shared<Reading>(range);
  MutexLock lock(mutex_);
  readings_.push_back(reading);
  return reading;
}

void Calls::start(const std::shared_ptr<Reading>& reading, const std::string& name, Validator if_match,
                  std::stop_token stop, std::uint64_t max_rate) {
  ReadRequest request;
  request.key = key(name);
  request.range = reading->range();
  request.if_match = std::move(if_match);
  request.max_rate = max_rate;
  origin().read(std::move(request), reading, std::move(stop));
}

std::string Calls::read(const std::string& name, const Bytes& content, ByteRange range, Validator if_match) {
  const auto one = reading(range);
  start(one, name, std::move(if_match));
  const std::string outcome = one->wait();
  return outcome == "ok" ? compare(*one, content) : outcome;
}

Outcome<ObjectInfo> Calls::stat(const std::string& name, std::stop_token stop) {
  const auto told = answer<ObjectInfo>();
  origin().stat(key(name), Answer<ObjectInfo>::reply(told), std::move(stop));
  return told->wait();
}

Outcome<ObjectInfo> Calls::write(const std::string& name, const Bytes& content, Validator if_match, bool if_absent,
                                 std::stop_token stop) {
  WriteRequest request;
  request.key = key(name);
  request.content = content;
  request.if_match = std::move(if_match);
  request.if_absent = if_absent;
  const auto told = answer<ObjectInfo>();
  origin().write(std::move(request), Answer<ObjectInfo>::reply(told), std::move(stop));
  return told->wait();
}

Outcome<void> Calls::remove(const std::string& name, std::stop_token stop) {
  const auto told = answer<void>();
  origin().remove(key(name), Answer<void>::reply(told), std::move(stop));
  return told->wait();
}

Outcome<ListPage> Calls::list(ListRequest request, std::stop_token stop) {
  request.prefix = key(request.prefix);
  const auto told = answer<ListPage>();
  origin().list(std::move(request), Answer<ListPage>::reply(told), std::move(stop));
  return told->wait();
}

Outcome<bool> Calls::exists(const std::string& name) {
  const auto told = answer<bool>();
  origin().exists(key(name), Answer<bool>::reply(told), {});
  return told->wait();
}

Outcome<std::uint64_t> Calls::size(const std::string& name) {
  const auto told = answer<std::uint64_t>();
  origin().size(key(name), Answer<std::uint64_t>::reply(told), {});
  return told->wait();
}

std::string compare(Reading& reading, const Bytes& content) {
  const auto object = reading.object();
  if (!object) {
    return "begin() was not called";
  }
  if (object->size && *object->size != content.size()) {
    return "a size of " + std::to_string(*object->size);
  }
  const std::uint64_t begin = object->accepts_ranges ? reading.range().begin : 0;
  const std::uint64_t end = std::min<std::uint64_t>(reading.range().end, content.size());
  const Bytes got = reading.bytes();
  if (begin > end || got.size() != end - begin) {
    return std::to_string(got.size()) + " bytes";
  }
  return std::equal(got.begin(), got.end(), content.begin() + static_cast<std::ptrdiff_t>(begin)) ? "ok"
                                                                                                  : "wrong bytes";
}

const Bytes& large() {
  static const Bytes content = bytes_for(0, kSize);
  return content;
}

}  // namespace strandline::origin::conformance
