package caddymodule

import (
	"errors"
	"net/netip"
)

var errAddressRange = errors.New("write networks such as 10.1.0.0/16 or fd00::/8, or single addresses")

// addressRanges reads networks of addresses. As in Caddy's own options an address stands for the network of itself alone.
func addressRanges(texts []string) ([]netip.Prefix, error) {
	var ranges []netip.Prefix
	for _, text := range texts {
		if address, err := netip.ParseAddr(text); err == nil && address.Zone() == "" {
			address = address.Unmap()
			ranges = append(ranges, netip.PrefixFrom(address, address.BitLen()))
			continue
		}
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, errAddressRange
		}
		ranges = append(ranges, p.Masked())
	}
	return ranges, nil
}
