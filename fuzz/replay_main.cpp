// Feeds every file of the folders named on the command line, and the empty input, to a fuzz target: what the
// fuzzer once found interesting is a test in every build, also where there is no libFuzzer.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

int main(int argc, char** argv) {
  std::vector<std::filesystem::path> files;
  for (int at = 1; at < argc; ++at) {
    std::error_code error;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(argv[at], error)) {
      if (entry.is_regular_file()) {
        files.push_back(entry.path());
      }
    }
    if (error) {
      std::fprintf(stderr, "replay: %s: %s\n", argv[at], error.message().c_str());
      return 1;
    }
  }
  if (files.empty()) {
    std::fprintf(stderr, "replay: no input in the folders given\n");
    return 1;
  }
  std::sort(files.begin(), files.end());

  LLVMFuzzerTestOneInput(nullptr, 0);
  for (const auto& file : files) {
    std::ifstream stream(file, std::ios::binary);
    const std::vector<char> bytes{std::istreambuf_iterator<char>(stream), {}};
    if (!stream) {
      std::fprintf(stderr, "replay: cannot read %s\n", file.c_str());
      return 1;
    }
    // Named before it runs: after a crash the last line says which input it was.
    std::printf("%s\n", file.filename().c_str());
    std::fflush(stdout);
    LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  }
  std::printf("replayed %zu inputs and the empty one\n", files.size());
  return 0;
}
