{{- define "otp.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Call with (list . "component"): what selects pods never changes, so upgrades need no new Deployment. */}}
{{- define "otp.selector" -}}
app.kubernetes.io/name: {{ default (index . 0).Chart.Name (index . 0).Values.nameOverride }}
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{- define "otp.labels" -}}
{{ include "otp.selector" . }}
app.kubernetes.io/version: {{ (index . 0).Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ (index . 0).Release.Service }}
helm.sh/chart: {{ printf "%s-%s" (index . 0).Chart.Name (index . 0).Chart.Version }}
{{- end -}}

{{- define "otp.image" -}}
{{- with .Values.image -}}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{ end -}}
{{- end -}}
{{- end -}}

{{- define "otp.secretName" -}}
{{- .Values.secret.existing | default (include "otp.fullname" .) -}}
{{- end -}}

{{- define "otp.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "otp.fullname" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end -}}

{{/* What no single value can know; the words end in the terminal of whoever installs. */}}
{{- define "otp.check" -}}
{{- $redis := 0 -}}
{{- if .Values.redis.url }}{{ $redis = add $redis 1 }}{{ end -}}
{{- if .Values.redis.existingSecret.name }}{{ $redis = add $redis 1 }}{{ end -}}
{{- if .Values.redis.bundled.enabled }}{{ $redis = add $redis 1 }}{{ end -}}
{{- if ne (int $redis) 1 -}}
{{- fail "redis: set exactly one of redis.url, redis.existingSecret.name and redis.bundled.enabled" -}}
{{- end -}}
{{- if (.Values.config.redis | default dict).url -}}
{{- fail "config.redis.url: the chart sets it; use redis.url, redis.existingSecret.name or redis.bundled.enabled" -}}
{{- end -}}
{{- if not (or .Values.secret.existing .Values.secret.values.OTP_SECRET) -}}
{{- fail "secret: name a Secret in secret.existing, or give secret.values.OTP_SECRET (openssl rand -hex 32)" -}}
{{- end -}}
{{- if and .Values.worker.enabled (not .Values.worker.replicaCount) -}}
{{- fail "worker.replicaCount: with no worker at all nothing follows the messages" -}}
{{- end -}}
{{- if not .Values.config.service.public_url }}{{ fail "config.service.public_url: say where callers reach the service" }}{{ end -}}
{{- range $section := list "gateways" "routes" "applications" -}}
{{- if not (index $.Values.config $section) }}{{ fail (printf "config.%s: at least one is needed" $section) }}{{ end -}}
{{- end -}}
{{- if and .Values.ingress.enabled (not .Values.ingress.host) }}{{ fail "ingress.host: the name is missing" }}{{ end -}}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) -}}
{{- fail "httpRoute.parentRefs: name the gateway that the route belongs to" -}}
{{- end -}}
{{- if le (int .Values.terminationGracePeriodSeconds) (add 15 (int .Values.config.service.stop_delay_seconds)) -}}
{{- fail "terminationGracePeriodSeconds: must be above config.service.stop_delay_seconds + 15, or requests are cut" -}}
{{- end -}}
{{- end -}}
