package webhook

import (
	"encoding/base64"
	"errors"
	"strings"
)

// decodeSecret returns the bytes of a secret as the specification writes it: "whsec_" and base64.
func decodeSecret(text string) ([]byte, error) {
	encoded, ok := strings.CutPrefix(strings.TrimSpace(text), "whsec_")
	if !ok {
		return nil, errors.New(`a secret begins with "whsec_"; make one with: echo "whsec_$(openssl rand -base64 32)"`)
	}
	key, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return nil, errors.New(`what follows "whsec_" is not base64`)
	}
	if len(key) < minSecret || len(key) > maxSecret {
		return nil, errors.New("a secret has 24 to 64 bytes")
	}
	return key, nil
}
