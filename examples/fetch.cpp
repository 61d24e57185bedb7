// A file, or what is behind a URL, fetched into memory and read while it arrives, from its end: what is waited for is
// fetched next.
#include <strandline/drivers/memory.h>
#include <strandline/fill/filler.h>
#include <strandline/origin/origins.h>

#include <array>
#include <cstdio>
#include <memory>
#include <span>
#include <string>

using namespace strandline;

int main(int argc, char** argv) {
  const std::string url = argc > 1 ? argv[1] : argv[0];  // this very program, if nothing else is asked for
  // [readme]
  auto origins = origin::Origins();
  auto found = origins.find(url).value();
  auto filler = fill::Filler::create({.connections = 4}).value();
  auto film = Resource<MemoryDriver>::open({}).value();

  fill::FillRequest request;
  request.origin = found.origin;
  request.key = found.key;
  request.target = std::make_unique<fill::ResourceTarget<MemoryDriver>>(film, film.writer().value());
  const auto fetching = filler.fill(std::move(request)).value();

  std::array<std::byte, 16> head;
  const auto count = film.wait_read_at(0, head);  // asked for first, and here as soon as it has come
  if (!count) return std::fprintf(stderr, "%s\n", count.error().message().c_str()), 1;
  if (const auto all = fetching.wait(); !all) return std::fprintf(stderr, "%s\n", all.error().message().c_str()), 1;
  // [/readme]
  const auto progress = fetching.progress();
  std::printf("%zu bytes at the start, then %llu of %llu, in %llu requests\n", *count,
              static_cast<unsigned long long>(progress.fetched),
              static_cast<unsigned long long>(film.length().value_or(0)),
              static_cast<unsigned long long>(progress.requests));
  return progress.fetched == film.length().value_or(0) ? 0 : 1;
}
