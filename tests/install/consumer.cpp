// What a user's first program does: writes through one handle, reads through another, out of the installed tree.
#include <strandline/drivers/memory.h>
#include <strandline/resource/resource.h>
#include <strandline/store/store.h>

#include <array>
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <span>
#include <utility>

int main() {
  auto opened = strandline::Resource<strandline::MemoryDriver>::open({});
  if (!opened) {
    return std::puts("open failed"), 1;
  }
  auto writer = opened->writer();
  const std::array<std::byte, 3> written{std::byte{7}, std::byte{8}, std::byte{9}};
  if (!writer || !writer->write_at(0, written) || !writer->commit()) {
    return std::puts("write failed"), 1;
  }
  std::array<std::byte, 3> read{};
  const auto count = opened->read_at(0, read);
  if (!count || *count != 3 || read != written) {
    return std::puts("read something else"), 1;
  }
  const auto folder = std::filesystem::temp_directory_path() / "strandline-consumer";
  std::filesystem::remove_all(folder);
  auto store = strandline::store::Store::open(folder.native());
  auto lease = store ? store->acquire("key") : strandline::fail(std::move(store.error()));
  if (!lease || lease->writer() == nullptr || !lease->writer()->write_at(0, written)) {
    return std::puts("the store failed"), 1;
  }
  std::filesystem::remove_all(folder);
  std::puts("strandline: installed and working");
  return 0;
}
