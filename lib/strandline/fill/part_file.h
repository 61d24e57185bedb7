// PartFile: a file on its way: FILE.part.data and FILE.part.journal, which know what has come and survive the process,
// until it is complete and becomes FILE.
// Threads: one at a time; its resource and writer, any. Blocks: on the disk. Errors: the system's, with the path; busy
// while another process brings it; conflict when what is there is of another object. Cost: a store entry's.
// Lifetime: what has not become FILE stays for the next one, until discard().
#pragma once

#include <strandline/resource/resource.h>
#include <strandline/store/entry/entry_driver.h>

#include <filesystem>
#include <optional>
#include <string>

namespace strandline::fill {

class PartFile {
 public:
  // What somebody has left; none: nobody has. `key` names the object, so that no two are mixed.
  [[nodiscard]] static Result<std::optional<PartFile>> find(const std::filesystem::path& file,
                                                            const std::string& key) noexcept;
  // What is there if it is of this version, else an empty one.
  [[nodiscard]] static Result<PartFile> open(const std::filesystem::path& file, const std::string& key,
                                             const Validator& validator, std::optional<std::uint64_t> length) noexcept;

  [[nodiscard]] const Resource<store::EntryDriver>& resource() const noexcept { return resource_; }
  [[nodiscard]] const Validator& validator() const noexcept { return validator_; }
  // Whatever anybody has left, of whichever object.
  [[nodiscard]] static Result<void> discard(const std::filesystem::path& file) noexcept;

  // Its resource is committed: now it is FILE. An existing one is replaced, or else busy.
  [[nodiscard]] Result<void> finish(bool replace) noexcept;
  // Nothing is left of it.
  [[nodiscard]] Result<void> discard() noexcept;

 private:
  PartFile(std::filesystem::path file, Resource<store::EntryDriver> resource, Validator validator) noexcept
      : file_(std::move(file)), resource_(std::move(resource)), validator_(std::move(validator)) {}
  [[nodiscard]] static Result<PartFile> open(const std::filesystem::path& file, store::EntryDriver::Options options);

  std::filesystem::path file_;
  Resource<store::EntryDriver> resource_;
  Validator validator_;
};

}  // namespace strandline::fill
