// fill(): reads a source into a resource, to its commit or its failure: the producer's whole life.
// Threads: one per writer. Blocks: as the source does, and as the writer does where a ring is full. Errors: the
// source's or the storage's; the resource has then failed with it. Cost: the source's. Lifetime: ends before the
// source.
#pragma once

#include <strandline/resource/writer.h>

#include "../source/source.h"

#include <chrono>
#include <functional>
#include <optional>
#include <stop_token>
#include <utility>

namespace strandline::tool {

// What came in. Timed before the bytes are written: once they are, a reader may be faster than any clock here.
struct Filled {
  std::uint64_t bytes = 0;
  std::optional<std::chrono::steady_clock::time_point> first;  // byte in
  std::optional<std::chrono::steady_clock::time_point> last;
};

template <Driver D>
class WriterSink final : public Sink {
 public:
  using LengthKnown = std::function<void(std::uint64_t)>;
  WriterSink(Writer<D>& writer, LengthKnown length_known) : writer_(writer), length_known_(std::move(length_known)) {}

  [[nodiscard]] Result<void> expect(std::optional<std::uint64_t> size) override {
    if (!size) {
      return {};
    }
    if (length_known_) {
      length_known_(*size);
    }
    return writer_.set_length(*size);
  }
  [[nodiscard]] Result<void> bytes(std::span<const std::byte> data) override {
    filled_.last = std::chrono::steady_clock::now();
    filled_.first = filled_.first ? filled_.first : filled_.last;
    const auto written = writer_.write_at(filled_.bytes, data);
    if (!written) {
      return fail(written.error().clone());
    }
    filled_.bytes += data.size();
    return {};
  }
  [[nodiscard]] const Filled& filled() const noexcept { return filled_; }

 private:
  Writer<D>& writer_;
  const LengthKnown length_known_;
  Filled filled_;
};

// The first wanted byte stands at offset 0 of the resource. Answers how many came, and when.
template <Driver D>
[[nodiscard]] Result<Filled> fill(Source& source, const ByteSpec& spec, Writer<D> writer, std::stop_token stop,
                                  typename WriterSink<D>::LengthKnown length_known = {}) {
  WriterSink<D> sink(writer, std::move(length_known));
  auto done = source.read(spec, sink, std::move(stop));
  if (done) {
    done = writer.commit(sink.filled().bytes);
  }
  if (!done) {
    // Refused only when the resource has been cancelled, and then nobody asks any more.
    static_cast<void>(writer.fail(done.error().clone()));
    return fail(std::move(done.error()));
  }
  return sink.filled();
}

}  // namespace strandline::tool
