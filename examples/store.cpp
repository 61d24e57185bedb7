// A cache of content by key: one caller is to fetch what is missing, everybody reads it as it arrives, and what is here
// is found again the next time.
#include <strandline/store/store.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <span>
#include <string>
#include <thread>

using namespace strandline;
using namespace strandline::store;

namespace {

// Stands for an origin that answers ranges.
std::array<std::byte, 65536> fetch(std::uint64_t offset) {
  std::array<std::byte, 65536> bytes{};
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<std::byte>((offset + i) / 1000);
  }
  return bytes;
}

}  // namespace

int main() {
  std::string folder = (std::filesystem::temp_directory_path() / "strandline-example-XXXXXX").native();
  if (::mkdtemp(folder.data()) == nullptr) {
    return std::puts("no folder"), 1;
  }
  constexpr std::uint64_t kLength = 4 << 20;
  {
    auto cache = Store::open(folder + "/cache", {.max_bytes = std::uint64_t{1} << 30}).value();
    const Validator etag{Validator::Kind::strong, "\"v1\""};

    // To exactly one caller at a time, in all processes: the writer.
    auto lease = cache.acquire("https://example.org/film", etag, {.length = kLength}).value();
    std::jthread filler([lease = std::move(lease)]() mutable {
      if (auto* const writer = lease.writer()) {
        while (const auto gap = lease.resource().next_gap(0)) {
          if (!writer->write_at(gap->begin, fetch(gap->begin))) {
            return;
          }
        }
        static_cast<void>(writer->commit());
      }
    });

    // Another caller, here or in another process, reads what arrives.
    auto reader = cache.acquire("https://example.org/film", etag).value();
    std::array<std::byte, 100> part{};
    const auto count = reader.resource().wait_read_at(3'000'000, part);
    std::printf("%zu bytes at 3000000, the first of them %d\n", count.value_or(0), static_cast<int>(part[0]));
  }

  auto cache = Store::open(folder + "/cache").value();
  const auto entries = cache.list().value();
  for (const EntryInfo& info : entries) {
    std::printf("%s: %s\n", info.key.c_str(), info.complete ? "complete" : "in part");
  }
  const bool whole = cache.contains("https://example.org/film", {0, kLength}).value();
  std::filesystem::remove_all(folder);
  return whole ? 0 : 1;
}
