"""What is remembered of prepared sandboxes between runs. Knows neither pytest nor the SDKs nor the other rooms."""
