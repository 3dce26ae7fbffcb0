package pictures

import (
	"fmt"

	"github.com/photopush/photopush"
)

// Config is the section pictures of the configuration.
type Config struct {
	CacheSize photopush.Bytes `yaml:"cache_size" default:"64 MiB" help:"Memory for picture sets that may be needed again; a set is 100 to 400 KB. At least 1 MiB."`
}

const minCacheSize = 1 << 20

// Validate reports every fault; path is the key of the section.
func (c *Config) Validate(path string) error {
	if c.CacheSize < minCacheSize {
		return fmt.Errorf("%s.cache_size is %s, want at least 1 MiB", path, c.CacheSize)
	}
	return nil
}
