#include <langinfo.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <clocale>
#include <memory>
#include <span>
#include <sstream>
#include <string_view>

#include "../command.h"
#include "../progress.h"
#include "answer.h"
#include "existing.h"
#include "holders.h"

namespace strandline::tool {
namespace {

struct InspectOptions {
  std::string directory;
  std::string key;
  bool hex = false;
  bool json = false;
};

constexpr const char* kInspectFooter =
    R"(Nothing is made or changed, in the store or in the entry, and nothing is locked: the files are read as they are,
while others use them. What a crash has left is told, and stays as it is until somebody opens the entry.

Ranges are printed as --range takes them, first byte and last. The map shows all of the content (what is known of
it, while its length is not): a full cell is there, a half one in part, a dot is missing; # + . where the locale is not
UTF-8. Locks are those of other processes: "writer" has the role to bring content, "lock" is for a moment also what an
eviction or an opening has, and a pin keeps bytes from being evicted (or is an eviction under way). Processes are named
as far as /proc shows them: those of other users only to root.

--json prints one object, with ranges and pins as [begin, end), the end not included:
  {"key":...,"name":...,"state":...,"complete":...,"generation":...,"validator":...,"length":...,"available":...,
   "ranges":[[0,1048576],...],"checked":...,"lost":...,"encrypted":...,"note":...,"writing":...,"locked":...,"pins":[[0,65536],...],
   "holders":[{"pid":...,"command":...,"writing":...},...],
   "disk":{"data":...,"journal":...},"journal":{"bytes":...,"records":...,"torn":...},"boot_id":...,
   "this_boot":...,"this_data":...}
  key        the text, or, when it is no UTF-8, "key_hex" instead: two hexadecimal digits a byte
  validator  {"kind":"strong" or "weak","value":...} or null; a value that is no UTF-8 is "value_hex"
  state      complete, evicted (it was complete once), partial, empty, doomed (an fsync failed: nothing is believed),
             no data (the data file is missing or another one)
  note       what the application keeps with this version (strandline serve: what the origin said), or null; one that is
             no UTF-8 is "note_hex", and so is an encrypted one, as it stands in the journal
  checked    bytes that are there and have a checksum    lost  said to be there, but the data file has a hole
  torn       bytes of the journal that count for nothing    this_boot  false: only what was synced is believed

Exit codes: 0 done, 1 failed: no store or entry there, or not readable, 2 wrong command line.

Examples:
  strandline inspect ~/.cache/films http://a.example/film.mp4
  strandline inspect ~/.cache/films --key-hex 00ff --json | jq .ranges)";

std::string state_of(const store::Inspection& found) {
  if (found.doomed) {
    return "doomed";
  }
  if (!found.same_data) {
    return "no data";
  }
  if (found.complete) {
    return "complete";
  }
  return found.committed ? "evicted" : found.available.empty() ? "empty" : "partial";
}

bool is_utf8_locale() {
  // The locale is the user's for this question alone: numbers must not change.
  std::setlocale(LC_CTYPE, "");
  const bool utf8 = std::string_view(::nl_langinfo(CODESET)) == "UTF-8";
  std::setlocale(LC_CTYPE, "C");
  return utf8;
}

std::string drawn(const std::string& map) {
  std::string text;
  for (const char cell : map) {
    text += cell == '#' ? "\u2588" : cell == '+' ? "\u2592" : "\u00b7";
  }
  return text;
}

std::string hex_text(std::span<const std::byte> bytes) {
  std::string text;
  for (const std::byte value : bytes) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    text += kDigits[std::to_integer<unsigned>(value) >> 4U];
    text += kDigits[std::to_integer<unsigned>(value) & 15U];
  }
  return text;
}

std::string share_of(std::uint64_t part, std::uint64_t whole) {
  return part == whole ? "all" : share_text(part, whole, false);
}

Json pairs(const auto& ranges) {
  Json list = Json::array();
  for (const ByteRange range : ranges) {
    list.push_back({range.begin, range.end});
  }
  return list;
}

std::string_view text_of(const std::vector<std::byte>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

void put_note(Json& object, const store::Inspection& found) {
  if (found.note.empty()) {
    object["note"] = nullptr;
  } else if (found.encrypted) {
    object["note_hex"] = hex_text(found.note);
  } else {
    put_text(object, "note", text_of(found.note));
  }
}

// /proc is asked only when there is somebody to be found.
std::vector<Holder> holders(const Looked& looked) {
  const store::Inspection& found = looked.files;
  return found.being_written || found.being_changed || !found.pins.empty() ? holders_of(looked.path + ".data")
                                                                           : std::vector<Holder>();
}

bool is_writer(const Holder& holder) {
  const auto is_role = [](ByteRange hold) { return hold.intersects(store::File::kWriterRole); };
  return std::any_of(holder.holds.begin(), holder.holds.end(), is_role);
}

std::string process_text(const Holder& holder) {
  return "process " + std::to_string(holder.pid) + " (" + key_text(holder.command) + ")";
}

Json json_of(const Looked& looked) {
  const store::Inspection& found = looked.files;
  Json object;
  const store::JournalHeader& header = found.header;
  put_key(object, header.key);
  object["name"] = looked.name;
  object["state"] = state_of(found);
  object["complete"] = found.complete;
  object["generation"] = header.generation;
  if (header.validator.kind == store::Validator::Kind::none) {
    object["validator"] = nullptr;
  } else {
    Json validator = {{"kind", header.validator.kind == store::Validator::Kind::strong ? "strong" : "weak"}};
    put_text(validator, "value", header.validator.value);
    object["validator"] = validator;
  }
  object["length"] = found.length ? Json(*found.length) : Json();
  object["available"] = found.available.byte_count();
  object["ranges"] = pairs(found.available);
  object["checked"] = found.checked_bytes;
  object["lost"] = found.lost_bytes;
  object["encrypted"] = found.encrypted;
  put_note(object, found);
  object["writing"] = found.being_written;
  object["locked"] = found.being_changed;
  object["pins"] = pairs(found.pins);
  object["holders"] = Json::array();
  for (const Holder& holder : holders(looked)) {
    Json listed{{"pid", holder.pid}};
    put_text(listed, "command", holder.command);
    listed["writing"] = is_writer(holder);
    object["holders"].push_back(listed);
  }
  object["disk"] = {{"data", found.data_allocated}, {"journal", found.journal_allocated}};
  object["journal"] = {{"bytes", found.journal_bytes}, {"records", found.records}, {"torn", found.torn_bytes}};
  object["boot_id"] = hex_text(header.boot);
  object["this_boot"] = found.same_boot;
  object["this_data"] = found.same_data;
  return object;
}

std::string validator_text(const store::Validator& validator) {
  if (validator.kind == store::Validator::Kind::none) {
    return "none";
  }
  return key_text(validator.value) + (validator.kind == store::Validator::Kind::strong ? " (strong)" : " (weak)");
}

void print(const Looked& looked, Answer& answer) {
  const store::Inspection& found = looked.files;
  const auto line = [&](std::string_view title, const std::string& text) {
    answer.line(std::string(title) + std::string(12 - title.size(), ' ') + text);
  };
  const store::JournalHeader& header = found.header;
  const std::uint64_t available = found.available.byte_count();
  line("key", key_text(header.key));
  line("files", looked.name + ".data, .journal");
  line("state", state_of(found) + (found.complete ? "" : ", " + share_text(available, found.length, false)));
  line("generation", std::to_string(header.generation));
  line("validator", validator_text(header.validator));
  line("length", found.length ? std::to_string(*found.length) + " (" + size_text(*found.length) + ")" : "not known");
  line("there", std::to_string(available) + " (" + size_text(available) + ")");
  line("on disk", size_text(found.data_allocated) + " data, " + size_text(found.journal_allocated) + " journal");
  line("checksums", std::to_string(found.checked_bytes) + " bytes" +
                        (available > 0 ? ", " + share_of(found.checked_bytes, available) + " of what is there" : ""));
  line("encrypted", found.encrypted ? "yes" : "no");
  if (found.note.empty()) {
    line("note", "none");
  } else if (found.encrypted) {
    line("note", std::to_string(found.note.size()) + " bytes, encrypted");
  } else {
    std::istringstream note{std::string(text_of(found.note))};
    for (std::string part; std::getline(note, part);) {
      line("note", key_text(part));
    }
  }
  if (found.lost_bytes > 0) {
    line("lost", std::to_string(found.lost_bytes) + " bytes: the journal has them, the data file has a hole there");
  }
  line("journal",
       std::to_string(found.journal_bytes) + " bytes, " + std::to_string(found.records) + " records" +
           (found.torn_bytes > 0 ? ", " + std::to_string(found.torn_bytes) + " torn bytes behind them" : ""));
  line("boot id",
       hex_text(header.boot) +
           (found.same_boot ? " (this one)" : " (the system has started again: what was synced is believed)"));
  const auto held_by = holders(looked);
  const auto writer = std::find_if(held_by.begin(), held_by.end(), is_writer);
  line("writer", !found.being_written      ? "nobody"
                 : writer == held_by.end() ? "a process that cannot be seen"
                                           : process_text(*writer));
  line("lock", found.being_changed ? "held" : "free");
  if (found.pins.empty()) {
    line("pins", "none");
  }
  for (const ByteRange pin : found.pins) {
    line("pinned", pin == store::Entry::kWhole ? "all of it" : range_text(pin));
  }
  for (const Holder& holder : held_by) {
    if (!is_writer(holder)) {
      line("held by", process_text(holder));
    }
  }
  for (const ByteRange range : found.available) {
    line("range", range_text(range) + "  " + size_text(range.size()));
  }
  const std::string map =
      map_of(found.available, found.length.value_or(found.available.end_offset()), terminal_columns(STDOUT_FILENO));
  if (!map.empty()) {
    answer.line(is_utf8_locale() ? drawn(map) : map);
  }
}

int run_inspect(const InspectOptions& options) {
  Answer answer("inspect", options.json);
  const auto key = parse_key(options.key, options.hex);
  if (!key) {
    return answer.failed(key.error(), kExitUsage);
  }
  const auto directory = look_into(options.directory);
  if (!directory) {
    return answer.failed(directory.error());
  }
  const auto found = look_at(*directory, *key);
  if (!found) {
    return answer.failed(found.error());
  }
  answer.object(json_of(*found));
  if (!answer.json()) {
    print(*found, answer);
  }
  return answer.done(kExitOk);
}

}  // namespace

Subcommand add_inspect(CLI::App& app) {
  const auto options = std::make_shared<InspectOptions>();
  CLI::App* const inspect = app.add_subcommand("inspect", "Show what is there of one entry of a store, and who has it");
  inspect->add_option("DIR", options->directory, "the store")->required();
  inspect->add_option("KEY", options->key, "the entry's key")->required();
  inspect->add_flag("--key-hex", options->hex, "KEY is given as hexadecimal digits");
  inspect->add_flag("--json", options->json, "one JSON object");
  inspect->footer(kInspectFooter);
  return {inspect, [options] { return run_inspect(*options); }};
}

}  // namespace strandline::tool
