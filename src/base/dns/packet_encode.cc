#include <algorithm>
#include <unordered_map>

#include "base/dns/packet.h"
#include "base/dns/record.h"

namespace sekisho::dns {
namespace {

class Encoder {
 public:
  Encoder(const Message& message, std::size_t max_bytes)
      : message_(message), max_(std::clamp<std::size_t>(max_bytes, 512, 65535)) {
    if (message.edns) max_ -= 11 + std::min<std::size_t>(message.edns->options.size(), max_ / 2);
  }

  std::string run() {
    Header header = message_.header;
    out_.assign(kHeaderSize, '\0');
    std::uint32_t counts[4] = {};
    for (const Question& question : message_.questions) {
      const std::size_t start = out_.size();
      name(question.name.wire());
      put16(out_, static_cast<std::uint32_t>(question.type));
      put16(out_, question.qclass);
      if (out_.size() > max_) {
        undo(start);
        header.truncated = true;
        break;
      }
      ++counts[0];
    }
    bool whole = !header.truncated || message_.header.truncated;
    const std::vector<Record>* const sections[] = {&message_.answers, &message_.authorities, &message_.additionals};
    for (int section = 0; section < 3 && whole; ++section) {
      for (const Record& record : *sections[section]) {
        if (!(whole = put(record))) break;
        ++counts[section + 1];
      }
      if (!whole && section < 2) header.truncated = true;
    }
    if (message_.edns && opt()) ++counts[3];
    std::string head = flags(header);
    for (const std::uint32_t count : counts) put16(head, count);
    return out_.replace(0, kHeaderSize, head);
  }

 private:
  static std::string flags(const Header& header) {
    std::uint32_t bits = static_cast<std::uint32_t>(header.rcode) & 15;
    bits |= (static_cast<std::uint32_t>(header.opcode) & 15) << 11;
    bits |= (header.response ? 0x8000u : 0) | (header.authoritative ? 0x0400u : 0) | (header.truncated ? 0x0200u : 0);
    bits |= (header.recursion_desired ? 0x0100u : 0) | (header.recursion_available ? 0x0080u : 0);
    bits |= (header.authenticated ? 0x0020u : 0) | (header.checking_disabled ? 0x0010u : 0);
    std::string head;
    put16(head, header.id);
    put16(head, bits);
    return head;
  }

  bool put(const Record& record) {
    const std::size_t start = out_.size();
    name(record.owner.wire());
    put16(out_, static_cast<std::uint32_t>(record.type));
    put16(out_, record.rclass);
    put32(out_, record.ttl_s);
    const std::size_t length_at = out_.size();
    put16(out_, 0);
    rdata(record);
    const std::size_t size = out_.size() - length_at - 2;
    if (out_.size() > max_ || size > 65535) return undo(start);
    out_[length_at] = static_cast<char>(size >> 8);
    out_[length_at + 1] = static_cast<char>(size & 255);
    return true;
  }

  // Only the types of RFC 1035 may be compressed (RFC 3597 section 4).
  void rdata(const Record& record) {
    std::string_view rest = record.rdata;
    std::size_t names = 0;
    switch (record.type) {
      case Type::kNs:
      case Type::kCname:
      case Type::kPtr:
        names = 1;
        break;
      case Type::kSoa:
        names = 2;
        break;
      case Type::kMx:
        names = 1;
        out_ += rest.substr(0, 2);
        rest.remove_prefix(std::min<std::size_t>(2, rest.size()));
        break;
      default:
        break;
    }
    for (; names > 0; --names) {
      const std::size_t size = name_length(rest);
      if (size == 0) break;
      name(rest.substr(0, size));
      rest.remove_prefix(size);
    }
    out_ += rest;
  }

  void name(std::string_view wire) {
    while (wire.size() > 1) {
      const auto [known, fresh] = offsets_.try_emplace(std::string(wire), out_.size());
      if (!fresh) {
        put16(out_, 0xc000 | static_cast<std::uint32_t>(known->second));
        return;
      }
      if (out_.size() > 0x3fff) offsets_.erase(known);
      const std::size_t label = 1u + static_cast<unsigned char>(wire[0]);
      out_ += wire.substr(0, label);
      wire.remove_prefix(label);
    }
    out_ += '\0';
  }

  bool undo(std::size_t size) {
    out_.resize(size);
    std::erase_if(offsets_, [size](const auto& entry) { return entry.second >= size; });
    return false;
  }

  bool opt() {
    const Edns& edns = *message_.edns;
    if (edns.options.size() > 65535 || out_.size() + 11 + edns.options.size() > 65535) return false;
    out_ += '\0';
    put16(out_, kTypeOpt);
    put16(out_, edns.size_bytes);
    const std::uint32_t high = static_cast<std::uint32_t>(message_.header.rcode) >> 4 & 255;
    put32(out_, high << 24 | static_cast<std::uint32_t>(edns.version) << 16 | (edns.dnssec_ok ? 0x8000u : 0));
    put16(out_, static_cast<std::uint32_t>(edns.options.size()));
    out_ += edns.options;
    return true;
  }

  const Message& message_;
  std::size_t max_;
  std::string out_;
  std::unordered_map<std::string, std::size_t> offsets_;
};

}  // namespace

std::string encode(const Message& message, std::size_t max_bytes) { return Encoder(message, max_bytes).run(); }

std::string encode_query(std::uint16_t id, const Name& name, Type type, std::uint16_t edns_bytes) {
  std::string out;
  out.reserve(kHeaderSize + name.wire().size() + 15);
  put16(out, id);
  put16(out, 0x0120);  // RD, AD
  put16(out, 1);
  put32(out, 0);
  put16(out, edns_bytes ? 1 : 0);
  out += name.wire();
  put16(out, static_cast<std::uint32_t>(type));
  put16(out, kClassIn);
  if (edns_bytes) {
    out += '\0';
    put16(out, kTypeOpt);
    put16(out, edns_bytes);
    put32(out, 0);
    put16(out, 0);
  }
  return out;
}

}  // namespace sekisho::dns
