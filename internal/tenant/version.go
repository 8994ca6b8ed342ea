package tenant

import (
	"fmt"
	"slices"
	"strings"
)

// VersionsText is core 6, billing 3; a version that a file left half done is marked.
func VersionsText(versions map[string]Version) string {
	services := make([]string, 0, len(versions))
	for service := range versions {
		services = append(services, service)
	}
	slices.Sort(services)
	parts := make([]string, len(services))
	for i, service := range services {
		parts[i] = fmt.Sprintf("%s %d", service, versions[service].Number)
		if versions[service].Dirty {
			parts[i] += " (half done)"
		}
	}
	return strings.Join(parts, ", ")
}
