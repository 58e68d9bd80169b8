{{/* The pod of a server or a worker. Call with (dict "root" . "component" … "args" … "resources" …). */}}
{{- define "otp.pod" -}}
{{- $root := .root -}}
metadata:
  labels:
    {{- include "otp.podLabels" (list $root .component) | nindent 4 }}
  annotations:
    checksum/secret: {{ printf "%s%s" (toJson $root.Values.secret.values) $root.Values.redis.url | sha256sum }}
    {{- with $root.Values.podAnnotations }}{{ toYaml . | nindent 4 }}{{ end }}
spec:
  {{- include "otp.podStart" $root | nindent 2 }}
  terminationGracePeriodSeconds: {{ $root.Values.terminationGracePeriodSeconds }}
  containers:
    - name: otp-service
      args: {{ toJson .args }}
      {{- include "otp.container" $root | nindent 6 }}
      resources:
        {{- toYaml .resources | nindent 8 }}
      ports:
        - name: http
          containerPort: 8000
      # Until it has found Redis it does not listen; it gives up with a sentence before the probe does. Later only a
      # process that does not answer is restarted; one that cannot reach Redis is taken out.
      {{- $wait := int ($root.Values.config.redis | default dict).wait_at_start_seconds }}
      startupProbe: {httpGet: {path: /health/live, port: http}, periodSeconds: 2, failureThreshold: {{ div (add $wait 21) 2 }}}
      livenessProbe: {httpGet: {path: /health/live, port: http}, periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 3}
      readinessProbe: {httpGet: {path: /health/ready, port: http}, periodSeconds: 3, timeoutSeconds: 2, failureThreshold: 2}
      {{- with $root.Values.lifecycle }}
      lifecycle: {{ toJson . }}
      {{- end }}
    {{- with $root.Values.extraContainers }}{{ toYaml . | nindent 4 }}{{ end }}
  {{- include "otp.volumes" $root | nindent 2 }}
  topologySpreadConstraints:
    {{- with $root.Values.topologySpreadConstraints }}
    {{- toYaml . | nindent 4 }}
    {{- else }}
    {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
    - maxSkew: 1
      topologyKey: {{ . }}
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "otp.selector" (list $root $.component) | nindent 10 }}
    {{- end }}
    {{- end }}
  {{- with $root.Values.affinity }}
  affinity: {{ toJson . }}
  {{- end }}
{{- end -}}

{{/* A pod that runs `doctor` once: after an installation by `helm test`, and before an upgrade. */}}
{{- define "otp.doctor" -}}
restartPolicy: Never
{{ include "otp.podStart" . }}
containers:
  - name: doctor
    args: [doctor]
    {{- include "otp.container" . | nindent 4 }}
    resources:
      {{- toYaml .Values.resources | nindent 6 }}
{{ include "otp.volumes" . }}
{{- end -}}

{{- define "otp.podStart" -}}
# Kubernetes would set OTP_PORT=tcp://… for a Service named otp, and the service would not start.
enableServiceLinks: false
automountServiceAccountToken: false
serviceAccountName: {{ include "otp.serviceAccountName" . | quote }}
securityContext: {{ toJson .Values.podSecurityContext }}
{{- include "otp.placement" . }}
{{- with .Values.initContainers }}
initContainers:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Where every pod of the release may run, and by what its images are pulled. */}}
{{- define "otp.placement" -}}
{{- range $key := list "imagePullSecrets" "nodeSelector" "tolerations" "priorityClassName" }}
{{- with index $.Values $key }}
{{ $key }}: {{ toJson . }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "otp.volumes" -}}
volumes:
  - name: config
    configMap: {name: {{ include "otp.configName" . }}}
  - name: tmp
    emptyDir: {medium: Memory, sizeLimit: 64Mi}
  {{- with .Values.extraVolumes }}{{ toYaml . | nindent 2 }}{{ end }}
{{- end -}}

{{- define "otp.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* What every container of ours has. */}}
{{- define "otp.container" -}}
image: {{ include "otp.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  {{- include "otp.containerSecurity" . | nindent 2 }}
{{- if or (include "otp.hasSecret" .) .Values.extraEnvFrom }}
envFrom:
  {{- if include "otp.hasSecret" . }}
  - secretRef: {name: {{ include "otp.secretName" . | quote }}}
  {{- end }}
  {{- with .Values.extraEnvFrom }}{{ toYaml . | nindent 2 }}{{ end }}
{{- end }}
env:
  - {name: OTP_CONFIG, value: /etc/otp-service/otp-service.toml}
  - {name: OTP_HOST, value: {{ .Values.listen | quote }}}
  - {name: OTP_PORT, value: "8000"}
  - {name: OTP_LOG_LEVEL, value: {{ .Values.logLevel }}}
  {{- if .Values.worker.enabled }}
  - {name: OTP__WORKER__IN_SERVE, value: "false"}
  {{- end }}
  {{- if .Values.redis.bundled.enabled }}
  {{- with .Values.redis.bundled.passwordKey }}
  - {name: VALKEY_PASSWORD, valueFrom: {secretKeyRef: {name: {{ include "otp.secretName" $ | quote }}, key: {{ . | quote }}}}}
  {{- end }}
  - name: OTP__REDIS__URL
    value: redis://{{ if .Values.redis.bundled.passwordKey }}:$(VALKEY_PASSWORD)@{{ end }}{{ include "otp.fullname" . }}-redis:6379/0
  {{- else }}
  - name: OTP__REDIS__URL
    {{- if hasPrefix "file:" .Values.redis.url }}
    value: {{ .Values.redis.url | quote }}
    {{- else }}
    valueFrom:
      secretKeyRef:
        {{- if .Values.redis.existingSecret.name }}
        {name: {{ .Values.redis.existingSecret.name | quote }}, key: {{ .Values.redis.existingSecret.key | quote }}}
        {{- else }}
        {name: {{ include "otp.fullname" . }}-redis{{ .ofHook }}, key: redis-url}
        {{- end }}
    {{- end }}
  {{- end }}
  {{- with .Values.extraEnv }}{{ toYaml . | nindent 2 }}{{ end }}
volumeMounts:
  - {name: config, mountPath: /etc/otp-service, readOnly: true}
  - {name: tmp, mountPath: /tmp}
  {{- with .Values.extraVolumeMounts }}{{ toYaml . | nindent 2 }}{{ end }}
{{- end -}}
